"""Search finds what people type: a set of queries, each with the page that should come first."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, Request, expect

from tests.browser.queries import PREFIX, QUERIES, measure, open_search, results


def test_the_set_of_queries_is_large_and_half_in_each_language() -> None:
    counts = {language: sum(map(len, pages.values())) for language, pages in QUERIES.items()}
    assert counts["zh"] == counts["en"] >= 30
    assert QUERIES["zh"].keys() == QUERIES["en"].keys()


@pytest.mark.parametrize("language", QUERIES)
def test_queries_find_their_page(page: Page, address: str, language: str) -> None:
    page.goto(address + PREFIX[language])
    open_search(page)
    first, five, misses = measure(page, language, address)
    print(f"{language}: first {first:.1%}, among five {five:.1%}", *misses, sep="\n  ")
    assert first >= 0.95, misses
    assert five == 1, misses


def test_nothing_of_the_search_loads_before_it_is_opened(page: Page, address: str) -> None:
    loaded: list[str] = []

    def note(request: Request) -> None:
        loaded.append(request.url.removeprefix(address))

    page.on("request", note)
    page.goto(address, wait_until="networkidle")
    assert not [url for url in loaded if "search/" in url or "minisearch" in url]
    open_search(page)
    assert {"search/index.js", "vendor/minisearch.js"} <= set(loaded)


def test_search_by_keyboard_alone(page: Page, address: str) -> None:
    page.goto(f"{address}en/")
    open_search(page)
    page.keyboard.type("circuit breaker")
    expect(page.locator(".qa-search li").first).to_be_visible()
    expect(page.locator(".qa-search mark").first).to_have_text("circuit", ignore_case=True)
    page.keyboard.press("ArrowDown")
    expect(page.locator(".qa-search li > a").first).to_be_focused()
    page.keyboard.press("ArrowUp")
    expect(page.locator(".qa-search input")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator(".qa-search dialog")).to_be_hidden()
    open_search(page)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}en/serving/concurrency/")


def test_what_nothing_matches_is_said(page: Page, address: str) -> None:
    page.goto(address)
    open_search(page)
    assert results(page, "xyzzy", address) == []
    expect(page.locator(".qa-search__status")).to_have_text("没有找到符合条件的结果")


@pytest.mark.parametrize("pair", [("quantization", "quantisation"), ("neighbor", "neighbours")])
def test_both_spellings_of_english_find_the_same(
    page: Page, address: str, pair: tuple[str, str]
) -> None:
    page.goto(f"{address}en/")
    open_search(page)
    american, british = (results(page, query, address) for query in pair)
    assert american == british != []
