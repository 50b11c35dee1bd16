"""The list of terms, and what a tap on an explained one does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SITE
from tests.browser.test_site import LANGUAGES


def shown(page: Page) -> list[str]:
    return page.locator(".qa-terms dt").filter(visible=True).all_inner_texts()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_letter_leads_to_its_first_term(page: Page, address: str, language: str) -> None:
    page.goto(f"{address}{LANGUAGES[language]}terms/")
    letters = page.get_by_role("navigation", name="A–Z").get_by_role("link")
    names = letters.all_inner_texts()
    assert names == sorted(names) and len(names) > 15
    letters.filter(has_text="K").click()
    name = page.locator("dt:target")
    english = name if language == "en" else name.locator("[lang=en]")
    assert english.inner_text().upper().startswith("K")
    top = name.bounding_box()
    assert top and 0 <= top["y"] < 500


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("query", ["kv CACHE", "键值缓存", "ＫＶ"])
def test_the_filter_knows_both_languages(
    page: Page, address: str, language: str, query: str
) -> None:
    page.goto(f"{address}{LANGUAGES[language]}terms/")
    every = len(shown(page))
    page.get_by_role("searchbox").last.press_sequentially(query)
    found = shown(page)
    assert 0 < len(found) < every / 3
    assert any("KV" in name for name in found)
    assert page.locator(".qa-terms dd").filter(visible=True).count() == len(found)
    expect(page.locator(".qa-filter [role=status]")).to_contain_text(str(len(found)))
    page.reload()
    assert shown(page) == found


def test_nothing_found_is_said_and_a_link_to_a_term_shows_it(page: Page, address: str) -> None:
    page.goto(f"{address}en/terms/?q=no+such+term")
    assert shown(page) == []
    expect(page.locator(".qa-filter [role=status]")).to_have_text("0 terms")
    page.goto(f"{address}en/terms/?q=no+such+term#kv-cache")
    expect(page.locator("#kv-cache")).to_be_in_viewport()


def test_what_is_being_composed_is_not_asked_for(page: Page, address: str) -> None:
    page.goto(f"{address}terms/")
    every = shown(page)
    field = page.locator(".qa-filter input")
    field.evaluate(
        """field => {
            field.value = "jian zhi"
            field.dispatchEvent(new InputEvent("input", { bubbles: true, isComposing: true }))
        }"""
    )
    assert shown(page) == every
    field.evaluate(
        """field => {
            field.value = "键值"
            field.dispatchEvent(new CompositionEvent("compositionend", { bubbles: true }))
        }"""
    )
    assert 0 < len(shown(page)) < len(every)


def test_the_filter_works_in_a_folder(browser: Browser) -> None:
    page = browser.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((SITE / "terms/index.html").as_uri())
    page.locator(".qa-filter input").fill("attention")
    assert 0 < len(shown(page)) < 20
    page.reload()
    assert 0 < len(shown(page)) < 20
    page.close()
    assert errors == []


@pytest.fixture
def touched(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("way", ["second tap", "link"])
def test_a_tap_explains_and_the_next_one_follows(touched: Page, address: str, way: str) -> None:
    page = touched
    page.goto(f"{address}en/serving/concurrency/")
    term = page.locator(".qa-term").first
    definition = term.get_attribute("title") or ""
    target = (term.get_attribute("href") or "").rpartition("/")[2]
    term.tap()
    explanation = page.locator("#qa-tooltip")
    expect(explanation).to_contain_text(definition)
    assert page.url == f"{address}en/serving/concurrency/"
    if way == "link":
        explanation.get_by_role("link").tap()
    else:
        term.tap()
    page.wait_for_url(f"{address}en/terms/{target}")


def test_a_tap_elsewhere_ends_the_explanation(touched: Page, address: str) -> None:
    page = touched
    page.goto(f"{address}serving/compression/")
    first, second = page.locator(".qa-term").first, page.locator(".qa-term").nth(1)
    first.tap()
    second.tap()
    expect(page.locator("#qa-tooltip")).to_contain_text(second.get_attribute("title") or "查看词条")
    page.locator("h1").tap()
    expect(page.locator("#qa-tooltip")).to_be_hidden()
    assert page.url == f"{address}serving/compression/"
