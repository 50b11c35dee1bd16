"""Search finds what people type: a set of queries, each with the page that should come first."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from playwright.sync_api import Page, Request, expect

QUERIES = yaml.safe_load(Path(__file__).with_name("queries.yml").read_text(encoding="utf-8"))
PREFIX = {"zh": "", "en": "en/"}


def open_search(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator(".qa-search dialog")).to_be_visible()
    expect(page.locator(".qa-search dialog")).to_have_attribute("aria-busy", "false")


def results(page: Page, query: str, address: str) -> list[str]:
    """The names of the pages found, in their order, with those of the other language."""
    page.locator(".qa-search input").fill(query)
    links = page.locator(".qa-search li > a").all()
    return [
        (link.get_attribute("href") or "").removeprefix(address).removesuffix("/") for link in links
    ]


def measure(page: Page, language: str, address: str) -> tuple[float, float, list[str]]:
    """Shares of queries whose page comes first, and among the first five, and what misses."""
    ranks, misses = [], []
    for name, queries in QUERIES[language].items():
        for query in queries:
            found = results(page, query, address + PREFIX[language])
            rank = found.index(name) if name in found else 99
            ranks.append(rank)
            if rank:
                misses.append(f"{query}: {name} at {rank + 1}, first {found[:1]}")
    first = sum(rank == 0 for rank in ranks) / len(ranks)
    return first, sum(rank < 5 for rank in ranks) / len(ranks), misses


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
    page.keyboard.press("/")
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}en/serving/concurrency/")


def test_what_nothing_matches_is_said(page: Page, address: str) -> None:
    page.goto(address)
    open_search(page)
    assert results(page, "xyzzy", address) == []
    expect(page.get_by_role("status")).to_have_text("没有找到符合条件的结果")


@pytest.mark.parametrize("pair", [("quantization", "quantisation"), ("neighbor", "neighbours")])
def test_both_spellings_of_english_find_the_same(
    page: Page, address: str, pair: tuple[str, str]
) -> None:
    page.goto(f"{address}en/")
    open_search(page)
    american, british = (results(page, query, address) for query in pair)
    assert american == british != []
