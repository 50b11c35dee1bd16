"""Figures and tables speak the page's language, and every text of a figure has its place."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import SITE

FIGURES = sorted(path.relative_to(SITE).as_posix() for path in SITE.glob("runs/*/*/*-light.svg"))
SLACK = 1
"""Pixels."""
HAN = re.compile(r"[\u4e00-\u9fff]")
MISPLACED = """slack => {
    const all = [...document.querySelectorAll("text")]
    const seen = document.documentElement.getBoundingClientRect()
    const boxes = all.filter(text => !text.querySelector("tspan") && text.textContent.trim())
        .map(text => ({ text: text.textContent, box: text.getBoundingClientRect() }))
    const over = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > slack
        && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3 * slack
    return [
        ...boxes.filter(({ box }) => box.left < seen.left - slack || box.right > seen.right + slack
            || box.top < seen.top - slack || box.bottom > seen.bottom + slack),
        ...boxes.filter((one, n) => boxes.some((other, m) => m < n && over(one.box, other.box))),
    ].map(({ text }) => text)
}"""
"""Texts that are cut off, or lie on others. What Matplotlib writes in pieces is not measured."""


@pytest.mark.parametrize(("root", "language"), [("", "zh"), ("en/", "en")])
def test_a_page_shows_the_figures_and_tables_of_its_language(
    page: Page, address: str, root: str, language: str
) -> None:
    page.goto(f"{address}{root}training/overfitting/")
    source = page.locator("article .qa-figure img").first.get_attribute("src") or ""
    figure = SITE / "runs" / source.partition("runs/")[2].partition("#")[0]
    table = page.locator("#cell-contamination table").inner_text()
    for text in (figure.read_text(encoding="utf-8"), table):
        assert bool(HAN.search(text)) == (language == "zh")


def test_every_text_of_a_figure_has_its_place(page: Page, address: str) -> None:
    assert {name.split("-")[-2] for name in FIGURES} == {"zh", "en"}
    faults = {}
    for name in FIGURES:
        page.goto(f"{address}{name}")
        found = page.evaluate(MISPLACED, SLACK)
        if found:
            faults[name] = found
    assert not faults
