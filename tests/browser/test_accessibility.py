"""WCAG 2.2 AA on every kind of page, by axe, and what axe cannot see: the keyboard and print."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
KINDS = {
    "home": "",
    "theme": "billing/",
    "answer with a diagram and figures": "training/overfitting/",
    "answer with tables and code": "serving/containers/",
    "answer with a sweep": "billing/pricing/",
    "document": "questions/c/",
    "questions": "questions/",
    "paths": "paths/",
    "terms": "terms/",
    "verified": "about/verified/",
    "downloads": "about/downloads/",
    "changes": "about/changes/",
    "comparison": "contributing/comparison/",
    "missing": "404.html",
}
SIZES = {"desktop": {"width": 1280, "height": 900}, "phone": {"width": 390, "height": 844}}


@pytest.fixture(params=["light", "dark"])
def scheme(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=SIZES)
def page(browser: Browser, request: pytest.FixtureRequest, scheme: str) -> Iterator[Page]:
    context = browser.new_context(
        viewport=SIZES[request.param],  # type: ignore[arg-type]
        color_scheme="dark" if scheme == "dark" else "light",
        reduced_motion="reduce",
    )
    context.add_init_script(path=AXE)
    yield context.new_page()
    context.close()


def violations(page: Page) -> list[str]:
    found: dict[str, Any] = page.evaluate(
        "rules => axe.run({runOnly: rules, resultTypes: ['violations']})", RULES
    )
    return [
        f"{each['id']}: {node['target']} {node['failureSummary']}"
        for each in found["violations"]
        for node in each["nodes"]
    ]


def show_all(page: Page) -> None:
    """On a screen as high as the page, all is laid out, and nothing lies below the header."""
    assert page.viewport_size
    height = page.evaluate("document.body.scrollHeight")
    page.set_viewport_size({"width": page.viewport_size["width"], "height": height})


@pytest.mark.parametrize("language", ["", "en/"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_violation(page: Page, address: str, kind: str, language: str) -> None:
    page.goto(f"{address}{language}{KINDS[kind]}")
    for details in page.locator("article details").all():
        details.evaluate("d => d.open = true")
    show_all(page)
    assert violations(page) == []


def test_no_violation_in_the_search(page: Page, address: str) -> None:
    page.goto(f"{address}en/")
    page.locator(".qa-search__open").click()
    page.locator(".qa-search input").fill("circuit breaker")
    expect(page.locator(".qa-search li").first).to_be_visible()
    assert violations(page) == []


def test_the_first_tab_leads_past_the_navigation(browser: Browser, address: str) -> None:
    page = browser.new_page()
    page.goto(f"{address}en/training/overfitting/")
    page.keyboard.press("Tab")
    expect(page.locator(".md-skip")).to_be_focused()
    page.keyboard.press("Enter")
    assert page.evaluate("location.hash") != ""
    page.close()


def test_what_has_the_focus_shows_it(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=SIZES["desktop"])  # type: ignore[arg-type]
    page.goto(f"{address}en/training/overfitting/")
    unseen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        shown, name = page.evaluate(
            """() => {
                const at = document.activeElement, style = getComputedStyle(at)
                const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0
                const box = at.getBoundingClientRect()
                return [ring || box.width === 0, at.outerHTML.slice(0, 120)]
            }"""
        )
        if not shown:
            unseen.append(name)
    page.close()
    assert unseen == []


def test_print_shows_the_answer_and_no_controls(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=SIZES["desktop"])  # type: ignore[arg-type]
    page.goto(f"{address}en/serving/concurrency/")
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    for diagram in page.locator(".qa-diagram svg").all():
        expect(diagram).to_be_visible()
    expect(page.locator("article h1")).to_be_visible()
    for control in (".md-header", ".md-tabs", ".md-sidebar", ".md-footer", ".qa-search"):
        for each in page.locator(control).all():
            expect(each).to_be_hidden()
    # Answers to follow-up questions are folded on the screen, not on paper.
    assert page.locator("article details:not([open])").count() == 0
    page.wait_for_load_state("networkidle")
    for image in page.locator("article img:visible").all():
        assert image.evaluate("i => i.complete && i.naturalWidth > 0")
    page.close()
