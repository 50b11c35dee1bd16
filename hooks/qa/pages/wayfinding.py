"""Where a page stands: its level and terms below the title, related pages at the end."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping

from qa.pages.inert import inert_text
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.words import WORDS


def link_to(name: str, page: Page) -> str:
    """The relative address of a page's file, seen from `page`."""
    return posixpath.relpath(f"{name}.md", posixpath.dirname(page.name) or ".")


def below_title(page: Page, terms: Terms, list_of_terms: str | None) -> list[str]:
    """`list_of_terms` is the name of the page that lists all terms, if there is one."""
    parts = []
    words = WORDS[page.language]
    if level := page.meta.get("level"):
        parts.append(f"<span>{words.level}: {words.levels[level]}</span>")
    for tag in page.tags:
        name = inert_text(terms.by_id[tag].name[page.language])
        parts.append(f"[{name}]({link_to(list_of_terms, page)}#{tag})" if list_of_terms else name)
    if not parts:
        return []
    return ["", '<p class="qa-about" markdown="span">', " ".join(parts), "</p>", ""]


def related(page: Page, names: Iterable[str], titles: Mapping[str, str]) -> list[str]:
    links = [f"- [{titles[name]}]({link_to(name, page)})" for name in names]
    return ["", f"## {WORDS[page.language].related} {{ #related }}", "", *links] if links else []
