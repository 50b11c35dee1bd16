"""Pages that link to each other, or share terms, belong together."""

from __future__ import annotations

from pathlib import Path

from qa.pages import page as pages
from qa.pages.page import Page
from qa.pages.related import neighbours


def make(name: str, tags: str, text: str = "", sources: str = "[A01]") -> Page:
    header = f"---\nsources: {sources}\ntags: [{tags}]\n---\n# T\n\n{text}\n"
    path = Path("/none", f"{name}.md")
    meta, first = pages.front_matter(path, header)
    return pages.scan(Page(path, "en", name, meta, header.splitlines()[first - 1 :], first))


def test_links_in_both_directions_and_shared_terms_count() -> None:
    found = neighbours(
        [
            make("a/one", "x, y", "[two](two.md#run) and [three](../b/three.md)"),
            make("a/two", "y"),
            make("b/three", "x, y", "[home](../index.md) [one](../a/one.md)"),
            make("b/four", "z"),
            make("index", "x", sources="[]"),
        ]
    )
    assert found == {
        "a/one": ["b/three", "a/two"],
        "a/two": ["a/one", "b/three"],
        "b/three": ["a/one", "a/two"],
        "b/four": [],
    }
