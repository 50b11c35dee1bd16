"""Pictures of the diagrams of a site, for books, whose readers run no scripts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from playwright.sync_api import sync_playwright

from qa.browser import ARGUMENTS

DENSITY = 2
"""Pixels of a picture for one of the page."""


def draw(pages: Iterable[Path], target: Path, browser: str) -> dict[Path, list[Path]]:
    """A PNG in `target` for each diagram, by page and in their order on it."""
    target.mkdir(parents=True, exist_ok=True)
    drawn: dict[Path, list[Path]] = {}
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS)
        context = launched.new_context(device_scale_factor=DENSITY)
        tab = context.new_page()
        for page in pages:
            tab.goto(page.as_uri())
            drawn[page] = []
            for number, diagram in enumerate(tab.locator(".qa-diagram").all()):
                diagram.scroll_into_view_if_needed()
                picture = diagram.locator("svg")
                picture.wait_for()
                file = target / f"{len(drawn)}-{number}.png"
                picture.screenshot(path=file, animations="disabled")
                drawn[page].append(file)
        launched.close()
    return drawn
