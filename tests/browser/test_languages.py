"""Who switches the language goes on where they were."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SITE
from tests.browser.test_site import LANGUAGES

OTHER = {"zh": "en", "en": "zh"}
NAME = "training/overfitting/"


def switch(page: Page, language: str) -> None:
    """With the mouse itself: a locator would scroll to the menu while it opens."""
    for part in (".md-select button", f'.md-select__link[hreflang="{language}"]'):
        box = page.locator(part).first.bounding_box()
        assert box
        x, y = box["x"] + 5, box["y"] + 5
        page.mouse.move(x, y)
        page.wait_for_timeout(400)
    page.mouse.click(x, y)
    expect(page.locator("html")).to_have_attribute("lang", language)


def read_at(page: Page, selector: str) -> str:
    """The id of a place in the article, of which the reader has come to the middle."""
    place = page.locator(f"article {selector}")
    place.evaluate("p => scrollTo(0, p.getBoundingClientRect().top + scrollY - 120)")
    return place.get_attribute("id") or ""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("place", ["h2#limits", "h2#trade-offs", ".qa-cell >> nth=1"])
def test_at_the_same_section_or_cell(page: Page, address: str, language: str, place: str) -> None:
    page.goto(f"{address}{LANGUAGES[language]}{NAME}")
    identifier = read_at(page, place)
    switch(page, OTHER[language])
    assert page.url == f"{address}{LANGUAGES[OTHER[language]]}{NAME}#{identifier}"
    expect(page.locator(f"#{identifier}")).to_be_in_viewport()


def test_at_the_same_term(page: Page, address: str) -> None:
    page.goto(f"{address}terms/")
    identifier = read_at(page, "dt#kv-cache")
    switch(page, "en")
    assert page.url == f"{address}en/terms/#{identifier}"
    expect(page.locator(f"#{identifier}")).to_be_in_viewport()


def test_at_the_top(page: Page, address: str) -> None:
    page.goto(f"{address}{NAME}")
    switch(page, "en")
    assert page.url == f"{address}en/{NAME}"


def test_in_a_folder(browser: Browser) -> None:
    page = browser.new_page()
    page.goto((SITE / f"{NAME}index.html").as_uri())
    link = page.locator('.md-select__link[hreflang="en"]')
    # Hosts look for index.html, a folder does not.
    link.evaluate("l => { if (l.href.endsWith('/')) l.href += 'index.html' }")
    read_at(page, "h2#limits")
    switch(page, "en")
    assert page.url.endswith(f"/en/{NAME}index.html#limits")
    page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_active_tab_looks_active(page: Page, address: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{address}en/billing/energy/")
    looks = page.locator(".md-tabs__link").evaluate_all(
        """links => links.map(link => {
            const { fontWeight, borderBottomStyle } = getComputedStyle(link)
            return [link.textContent.trim(), fontWeight, borderBottomStyle]
        })"""
    )
    assert [name for name, weight, line in looks if weight == "700" and line == "solid"] == [
        "Billing"
    ]
