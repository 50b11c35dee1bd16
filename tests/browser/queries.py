"""How often the search finds the page that people look for; the queries are in queries.yml."""

from __future__ import annotations

from pathlib import Path

import yaml
from playwright.sync_api import Page, expect

QUERIES = yaml.safe_load(Path(__file__).with_name("queries.yml").read_text(encoding="utf-8"))
PREFIX = {"zh": "", "en": "en/"}
READY = "document.querySelector('.qa-search dialog').ariaBusy === 'false'"
"""In a page: whether the index has loaded."""


def open_search(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.locator(".qa-search dialog")).to_be_visible()
    expect(page.locator(".qa-search dialog")).to_have_attribute("aria-busy", "false")


def results(page: Page, query: str, address: str) -> list[str]:
    """The names of the pages found, in their order, with those of the other language."""
    page.locator(".qa-search input").fill(query)
    links = page.locator(".qa-search li > a").evaluate_all("found => found.map(a => a.href)")
    return [
        link.removeprefix(address).partition("#")[0].removesuffix("/").removesuffix(".html")
        for link in links
    ]


def measure(page: Page, language: str, address: str) -> tuple[float, float, list[str]]:
    """Shares of queries whose page comes first, and among the first five, and what misses: of the
    half of the set on which no weight was tuned."""
    ranks, misses = [], []
    for name, queries in QUERIES[language].items():
        for query in queries[1::2]:
            found = results(page, query, address + PREFIX[language])
            rank = found.index(name) if name in found else 99
            ranks.append(rank)
            if rank:
                misses.append(f"{query}: {name} at {rank + 1}, first {found[:1]}")
    first = sum(rank == 0 for rank in ranks) / len(ranks)
    return first, sum(rank < 5 for rank in ranks) / len(ranks), misses
