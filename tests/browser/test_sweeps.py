"""Where a claim flips: a slider over the rows of a table, which stands without it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SITE
from tests.browser.test_site import LANGUAGES, PHONE

ANSWER = "billing/pricing/"
FINGER = 24
"""Pixels."""


@pytest.fixture(params=LANGUAGES.values())
def path(request: pytest.FixtureRequest) -> str:
    return f"{request.param}{ANSWER}"


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": PHONE, "height": 844})
    yield context.new_page()
    context.close()


def table_of(page: Page) -> list[list[str]]:
    """The values of the assumption, each with what follows from it."""
    rows = page.locator(".qa-sweep tbody tr").all()
    return [row.locator("th, td").all_inner_texts() for row in rows]


def said_by_slider(page: Page) -> list[str]:
    return page.locator(".qa-slider strong").all_inner_texts()


def current_row(page: Page) -> list[str]:
    return page.locator(".qa-sweep tr[aria-current] > *").all_inner_texts()


def test_the_slider_leads_from_row_to_row(page: Page, address: str, path: str) -> None:
    page.goto(address + path)
    rows = table_of(page)
    name = page.locator(".qa-sweep thead th").last.inner_text()
    slider = page.get_by_role("slider", name=name, exact=True)
    slider.focus()
    sides = set()
    for key, row in [("Home", 0), ("ArrowRight", 1), ("ArrowUp", 2), ("End", len(rows) - 1)]:
        page.keyboard.press(key)
        assert current_row(page) == said_by_slider(page) == rows[row]
        assert all(value in (slider.get_attribute("aria-valuetext") or "") for value in rows[row])
        sides.add(page.locator(".qa-slider p").inner_text())
    assert len(sides) == 2


def test_it_begins_where_the_claim_flips(page: Page, address: str, path: str) -> None:
    page.goto(address + path)
    flip = float(page.locator(".qa-flip").inner_text().rpartition("=")[2])
    values = [float(row[0]) for row in table_of(page)]
    begins = float(said_by_slider(page)[0])
    assert abs(begins - flip) == min(abs(value - flip) for value in values)


def test_it_works_in_a_folder_and_under_a_finger(phone: Page, path: str) -> None:
    phone.goto((SITE / path / "index.html").as_uri())
    slider = phone.get_by_role("slider")
    assert (slider.bounding_box() or {"height": 0})["height"] >= FINGER
    before = said_by_slider(phone)
    slider.click(position={"x": 5, "y": 5})
    assert said_by_slider(phone) == table_of(phone)[0] != before
    plot = phone.locator(".qa-sweep .qa-plot")
    assert plot.evaluate("p => p.scrollWidth <= p.clientWidth")


@pytest.mark.parametrize("width", [PHONE, 1280])
def test_its_place_is_kept_until_it_is_there(
    browser: Browser, address: str, path: str, width: int
) -> None:
    heights = []
    for arrives in (False, True):
        page = browser.new_page(viewport={"width": width, "height": 844})
        if not arrives:
            page.route("**/sweep.js", lambda route: route.abort())
        page.goto(address + path)
        box = page.locator(".qa-slider").bounding_box()
        assert box and page.get_by_role("slider").count() == arrives
        heights.append(box["height"])
        page.close()
    assert heights[0] == heights[1]


def test_without_scripts_and_on_paper_the_table_stands(
    browser: Browser, address: str, path: str
) -> None:
    for scripts, media in [(False, "screen"), (True, "print")]:
        context = browser.new_context(java_script_enabled=scripts)
        page = context.new_page()
        page.goto(address + path)
        page.emulate_media(media=media)  # type: ignore[arg-type]
        for seen in (".qa-flip", ".qa-sweep table", ".qa-sweep img[src$='only-light']"):
            expect(page.locator(seen)).to_be_visible()
        expect(page.locator(".qa-slider")).to_be_hidden()
        context.close()


def test_only_a_page_with_a_sweep_loads_it(page: Page, address: str, path: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address + path.replace(ANSWER, ""))
    assert not [url for url in asked if "/assets/sweep" in url]
    assert ".qa-slider {" not in page.content()
    page.goto(address + path)
    assert len([url for url in asked if "/assets/sweep" in url]) == 1
    assert ".qa-slider {" in page.content()
