"""Diagrams and formulas are on the page as it is served: without scripts, in both schemes."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import SITE

ANSWERS = sorted(
    page.parent.relative_to(SITE).as_posix()
    for page in SITE.rglob("index.html")
    if 'class="qa-diagram"' in page.read_text(encoding="utf-8")
)
PHONE = 390
SMALLEST = 11
"""Pixels."""
MEASURE = """svg => [...svg.querySelectorAll("text")].map(text => {
    const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width
    return parseFloat(getComputedStyle(text).fontSize) * scale
})"""
CONTRASTS = """svg => {
    const channels = (colour) => {
        const context = Object.assign(document.createElement("canvas"), { width: 1, height: 1 })
            .getContext("2d")
        context.fillStyle = getComputedStyle(document.body).backgroundColor
        context.fillRect(0, 0, 1, 1)
        context.fillStyle = colour
        context.fillRect(0, 0, 1, 1)
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3)
    }
    const luminance = (colour) => {
        const [r, g, b] = channels(colour)
            .map(c => c / 255)
            .map(c => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        return 0.2126 * r + 0.7152 * g + 0.0722 * b
    }
    const contrast = (a, b) => {
        const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y)
        return (light + 0.05) / (dark + 0.05)
    }
    const style = (selector) => [...svg.querySelectorAll(selector)].map(e => getComputedStyle(e))
    const page = getComputedStyle(document.body).backgroundColor
    const filled = style(".node rect, .node polygon, .actor-top, .note").map(s => s.fill)
    return {
        text: style("text").flatMap(s => [page, ...filled].map(ground => contrast(s.fill, ground))),
        lines: style(".node rect, .flowchart-link, .transition, .messageLine0, .actor-top")
            .map(s => contrast(s.stroke, page)),
    }
}"""


def test_they_show_without_scripts(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}training/overfitting/")
    expect(page.locator("article .qa-diagram svg[role=img][aria-label]").first).to_be_visible()
    formulas = page.locator("article .arithmatex")
    assert formulas.count() == page.locator("article .arithmatex .katex-html").count() > 0
    expect(formulas.first.locator(".katex-html")).to_be_visible()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ANSWERS)
def test_contrast_in_both_schemes(page: Page, address: str, name: str, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.goto(f"{address}{name}/")
    for svg in page.locator("article .qa-diagram svg").all():
        found = svg.evaluate(CONTRASTS)
        assert min(found["text"]) >= 4.5
        assert min(found["lines"]) >= 3


@pytest.mark.parametrize("name", ANSWERS)
def test_text_is_legible_on_a_phone(page: Page, address: str, name: str) -> None:
    page.set_viewport_size({"width": PHONE, "height": 844})
    page.goto(f"{address}{name}/")
    for svg in page.locator("article .qa-diagram svg").all():
        assert min(svg.evaluate(MEASURE)) >= SMALLEST
    ids = page.evaluate("[...document.querySelectorAll('[id]')].map(e => e.id)")
    assert all(ids.count(each) == 1 for each in ids if each.startswith("diagram-"))
