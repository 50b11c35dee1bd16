"""On a phone everything can be read: nothing is too small, cut off without a sign, or moves."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from PIL import Image, ImageStat
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import SITE
from tests.browser.test_site import LANGUAGES, PAGES, PHONE, see_all

SMALLEST = 11
"""Pixels of text."""
LONGEST = "billing/payments"
# Of all text in the SVG of each figure that is shown, laid out as large as the figure is.
FIGURE_TEXT = """async () => {
    const sizes = []
    for (const image of document.querySelectorAll("article .qa-figure img")) {
        if (!image.getClientRects().length || !image.src.includes(".svg")) continue
        const text = await (await fetch(image.src)).text()
        const place = document.createElement("div")
        place.innerHTML = text
        document.body.append(place)
        const svg = place.querySelector("svg")
        svg.style.width = `${image.getBoundingClientRect().width}px`
        svg.style.height = "auto"
        for (const each of svg.querySelectorAll("text, tspan")) {
            const own = [...each.childNodes].filter(node => node.nodeType === Node.TEXT_NODE)
            if (!own.some(node => node.data.trim())) continue
            const { a, b, c, d } = each.getScreenCTM()
            const size = parseFloat(getComputedStyle(each).fontSize)
            sizes.push([size * Math.sqrt(Math.abs(a * d - b * c)), image.src])
        }
        place.remove()
    }
    return sizes
}"""
# Of each table: its columns, whether its cells name theirs, its right end, and what it scrolls in.
TABLES = """() => [...document.querySelectorAll("article table")].map(table => {
    const around = [...document.querySelectorAll("article *")].filter(at => at.contains(table))
    const scrolls = around.some(at => at.scrollWidth > at.clientWidth
        && getComputedStyle(at).overflowX === "auto")
    const labels = [...table.querySelectorAll("tbody td:not(:first-child)")]
        .filter(cell => cell.textContent.trim())
        .map(cell => getComputedStyle(cell, "::before").content)
    return {
        columns: table.tHead.rows[0].cells.length,
        isResult: Boolean(table.closest(".qa-table")),
        right: table.getBoundingClientRect().right,
        scrolls,
        labelled: labels.every(label => !["none", "normal"].includes(label)),
    }
})"""
# How far the top of the first letter of a block of code lies below the button that copies it.
BELOW_BUTTON = """() => [...document.querySelectorAll("article pre")].flatMap(block => {
    const button = block.querySelector("nav, button"), code = block.querySelector("code")
    if (!button || !code.getClientRects().length) return []
    const range = document.createRange()
    range.selectNodeContents(code)
    const top = Math.min(...[...range.getClientRects()].filter(r => r.width).map(r => r.top))
    return top - button.getBoundingClientRect().bottom
})"""


@pytest.fixture
def phone(page: Page) -> Page:
    page.set_viewport_size({"width": PHONE, "height": 844})
    return page


@pytest.mark.parametrize("name", PAGES)
def test_text_of_figures_is_legible(phone: Page, address: str, name: str) -> None:
    for root in LANGUAGES.values():
        phone.goto(f"{address}{root}{name}/")
        see_all(phone)
        sizes = phone.evaluate(FIGURE_TEXT)
        assert sizes or not phone.locator("article .qa-plot").count()
        assert [(size, figure) for size, figure in sizes if size < SMALLEST - 0.05] == []


@pytest.mark.parametrize(
    "name", [*PAGES, "about/verified", "contributing/checks", "contributing/comparison"]
)
def test_tables_become_cards_or_fit_or_scroll(phone: Page, address: str, name: str) -> None:
    for root in LANGUAGES.values():
        phone.goto(f"{address}{root}{name}/")
        for table in phone.evaluate(TABLES):
            if table["isResult"]:
                assert table["scrolls"] or table["right"] <= PHONE
            else:
                assert not table["scrolls"] and table["right"] <= PHONE
                assert table["labelled"] or table["columns"] < 4


def test_a_card_is_a_table_for_who_hears_it(phone: Page, address: str) -> None:
    # None of its cells is empty: such a one is hidden.
    phone.goto(f"{address}en/billing/tenancy/")
    table = phone.get_by_role("table").and_(phone.locator(":has(td[data-label])")).first
    heads = table.get_by_role("columnheader").all_inner_texts()
    assert len(heads) >= 4
    row = table.get_by_role("row").nth(1)
    assert row.get_by_role("cell").count() == len(heads)


def edge(box: Locator) -> float:
    """How dark the right edge of a box is beside the ground next to it, of 255."""
    image = Image.open(io.BytesIO(box.screenshot())).convert("L")
    width, height = image.size

    def mean(x: int) -> float:
        """Of some pixels below the last line, where no text is."""
        return ImageStat.Stat(image.crop((x, height - 6, x + 1, height - 2))).mean[0]

    return abs(mean(width - 60) - mean(width - 3))


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("what", [".highlight:not(.no-copy) > pre > code", ".qa-plot"])
def test_what_goes_on_to_the_side_shows_it(
    phone: Page, address: str, what: str, scheme: str
) -> None:
    phone.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    phone.goto(f"{address}en/billing/pricing/")
    phone.evaluate("document.querySelectorAll('article details').forEach(d => { d.open = true })")
    scrolling = phone.locator(f"article {what}").filter(visible=True)
    box = next(
        each for each in scrolling.all() if each.evaluate("b => b.scrollWidth > b.clientWidth + 40")
    )
    assert edge(box) > 25
    box.evaluate("b => { b.scrollLeft = b.scrollWidth }")
    assert edge(box) < 5


@pytest.mark.parametrize("name", ["serving/containers", "billing/payments"])
@pytest.mark.parametrize("width", [PHONE, 1280])
def test_the_button_that_copies_covers_no_code(
    page: Page, address: str, name: str, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 844})
    page.goto(f"{address}en/{name}/")
    page.evaluate("document.querySelectorAll('article details').forEach(d => { d.open = true })")
    see_all(page)
    gaps = page.evaluate(BELOW_BUTTON)
    assert len(gaps) > 5
    assert min(gaps) >= 0


def test_what_was_printed_wraps(phone: Page, address: str) -> None:
    for name in PAGES:
        phone.goto(f"{address}en/{name}/")
        for output in phone.locator("article .qa-output code").all():
            assert output.evaluate("o => o.scrollWidth <= o.clientWidth + 1")


@pytest.mark.parametrize("language", LANGUAGES)
def test_nothing_moves_when_it_comes_near(phone: Page, address: str, language: str) -> None:
    phone.goto(f"{address}{LANGUAGES[language]}{LONGEST}/")
    phone.evaluate("document.fonts.ready")
    height = phone.evaluate("document.body.scrollHeight")
    see_all(phone)
    # The sizes of a figure are whole numbers until it has arrived.
    assert abs(phone.evaluate("document.body.scrollHeight") - height) <= 2


@pytest.mark.parametrize("anchor", ["limits", "references"])
def test_a_jump_arrives(phone: Page, address: str, anchor: str) -> None:
    phone.goto(f"{address}{LONGEST}/")
    phone.evaluate("anchor => { location.hash = anchor }", anchor)
    phone.wait_for_timeout(100)
    place = phone.locator(f"#{anchor}").bounding_box()
    phone.wait_for_timeout(700)
    assert phone.locator(f"#{anchor}").bounding_box() == place
    assert place and 0 <= place["y"] < 200


PICTURES = [".qa-plot img", ".qa-diagram svg"]


@pytest.mark.parametrize("how", ["pointer", "keyboard"])
@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("size", [(PHONE, 844), (1280, 800)], ids=["phone", "desktop"])
def test_a_picture_is_enlarged(
    page: Page, address: str, how: str, picture: str, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    url = f"{address}en/training/overfitting/"
    page.goto(url)
    figure = page.locator(f"article .qa-figure:has({picture})").first
    small = figure.locator(picture).first
    if how == "keyboard":
        figure.get_by_role("button", name="Enlarge").press("Enter")
    else:
        small.click()
    dialog = page.get_by_role("dialog")
    large = dialog.locator("img, svg").bounding_box()
    before = small.bounding_box()
    assert large and before and large["width"] > before["width"]
    assert large["width"] >= size[0] * 0.9 or large["height"] >= size[1] * 0.9
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    figure.get_by_role("button").click()
    expect(dialog).to_be_visible()
    page.go_back()
    expect(dialog).to_have_count(0)
    assert page.url == url


@pytest.fixture
def in_a_folder(browser: Browser) -> Iterator[Page]:
    """A page of the site as it is read without a server."""
    page = browser.new_page(viewport={"width": PHONE, "height": 844})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.close()
    assert errors == []


def test_a_picture_is_enlarged_in_a_folder(in_a_folder: Page) -> None:
    page = in_a_folder
    page.goto((SITE / "en/training/overfitting/index.html").as_uri())
    page.get_by_role("button", name="Enlarge").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("article h1")).to_be_attached()
