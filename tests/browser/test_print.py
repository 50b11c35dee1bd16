"""On paper: all of the text and nothing else, whole, in light colours, with address and date."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_site import LANGUAGES, PAGES

PAPER = 718
"""Pixels: A4 with margins of a centimetre."""
CONTROLS = (
    ".md-header, .md-tabs, .md-sidebar, .md-footer, .md-top, .md-skip, .qa-search, .headerlink,"
    " .md-code__nav, .qa-enlarge, button.qa-unfold, article nav, article form"
)
WIDER = """() => [...document.querySelectorAll("article *")]
    .filter(each => !each.closest(".katex, svg, .md-code__nav"))
    .filter(each => each.getClientRects().length && (
        each.getBoundingClientRect().right > innerWidth + 1
        || (getComputedStyle(each).overflowX !== "visible"
            && each.scrollWidth > each.clientWidth + 1)))
    .map(each => each.outerHTML.slice(0, 120))"""
BRIGHTNESS = """(element) => {
    const context = document.createElement("canvas").getContext("2d")
    const { color, fill } = getComputedStyle(element)
    context.fillStyle = element.closest("svg") ? fill : color
    context.fillRect(0, 0, 1, 1)
    return Math.max(...context.getImageData(0, 0, 1, 1).data.slice(0, 3))
}"""


@pytest.fixture
def printed(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    pages: list[Page] = []

    def go(path: str, scheme: str = "light") -> Page:
        page = browser.new_page(
            viewport={"width": PAPER, "height": 1000},
            color_scheme="dark" if scheme == "dark" else "light",
        )
        pages.append(page)
        page.goto(f"{address}{path}")
        page.emulate_media(media="print")
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.wait_for_load_state("networkidle")
        return page

    yield go
    for page in pages:
        page.close()


@pytest.mark.parametrize("path", ["en/serving/concurrency/", "terms/", "questions/", "en/"])
def test_no_control_is_printed(printed: Callable[..., Page], path: str) -> None:
    page = printed(path)
    for control in page.locator(CONTROLS).all():
        expect(control).to_be_hidden()


@pytest.mark.parametrize("name", PAGES)
def test_nothing_is_cut_or_folded(printed: Callable[..., Page], name: str) -> None:
    page = printed(f"en/{name}/")
    assert page.evaluate(WIDER) == []
    assert page.locator("article details:not([open])").count() == 0


@pytest.mark.parametrize("name", ["about/verified", "contributing/comparison"])
def test_long_tables_are_not_cut(printed: Callable[..., Page], name: str) -> None:
    assert printed(f"{name}/").evaluate(WIDER) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light(printed: Callable[..., Page], scheme: str) -> None:
    page = printed("training/overfitting/", scheme)
    figures = page.locator("article .qa-plot img").filter(visible=True)
    assert figures.count() == page.locator("article .qa-plot").count() > 0
    for figure in figures.all():
        assert re.search(r"#only-light$|\.webp$", figure.get_attribute("src") or "")
        assert figure.evaluate("i => i.complete && i.naturalWidth > 0")
    for text in ("article p", "article h2", ".qa-diagram text", "article pre code"):
        assert page.locator(text).first.evaluate(BRIGHTNESS) < 110


def test_headings_stay_with_their_text(printed: Callable[..., Page]) -> None:
    page = printed("en/training/overfitting/")
    after = page.locator("article :is(h1, h2, h3, summary)").evaluate_all(
        "all => all.map(each => getComputedStyle(each).breakAfter)"
    )
    assert set(after) == {"avoid"}
    whole = page.locator("article :is(tr, figure)").evaluate_all(
        "all => all.map(each => getComputedStyle(each).breakInside)"
    )
    assert set(whole) == {"avoid"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ["training/overfitting/", "terms/"])
def test_it_says_where_it_is_from_and_as_of_when(
    printed: Callable[..., Page], language: str, name: str
) -> None:
    page = printed(f"{LANGUAGES[language]}{name}")
    line = page.locator(".qa-printed")
    expect(line).to_be_visible()
    expect(line).to_have_text(
        re.compile(rf"^http\S+/{LANGUAGES[language]}{name} .*\d{{4}}-\d\d-\d\d")
    )
    page.emulate_media(media="screen")
    expect(line).to_be_hidden()


def test_what_was_folded_is_so_again(printed: Callable[..., Page]) -> None:
    page = printed("en/training/overfitting/")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("article details:not([open])").count() > 3


def test_without_scripts_nothing_is_folded_on_paper(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}en/training/overfitting/")
    page.emulate_media(media="print")
    expect(page.locator("article details:not([open]) p").first).to_be_visible()
    context.close()
