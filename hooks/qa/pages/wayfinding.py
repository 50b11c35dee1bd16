"""Where a page stands: its level and terms below the title, related pages at the end."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from qa.pages.cells import download
from qa.pages.inert import inert_text
from qa.pages.lengths import minutes
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.run.notebook import Notebook
from qa.run.store import Result
from qa.words import WORDS

NOISE = re.compile(
    r"\((?:R|TM)\)|@.*|,.*|\bCPU\b|\bProcessor\b|\b\d+-Core\b|\bwith .*", re.IGNORECASE
)


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
    return _line(parts)


def at_a_glance(page: Page, notebook: Notebook, result: Result, to_root: str) -> list[str]:
    """When and on what an answer ran, how long it is, and ways to what many come for."""
    words = WORDS[page.language]
    facts = words.at_a_glance.format(
        date=result.started[:10],
        processor=inert_text(short_processor(result.processor)),
        cells=len(notebook.code),
        minutes=minutes(page),
    )
    links = [f'<a href="{to_root}{download(page.name, "ipynb")}" download>Notebook</a>']
    for anchor, text in words.jumps.items():
        if page.lines_of(anchor):
            links.append(f"[{text}](#{anchor})")
    return _line([f"<span>{facts}</span>", *links])


def short_processor(name: str) -> str:
    """Without marks, speed and number of cores."""
    return " ".join(NOISE.sub(" ", name).split()).strip(", ")


def _line(parts: list[str]) -> list[str]:
    if not parts:
        return []
    return ["", '<p class="qa-about" markdown="span">', " ".join(parts), "</p>", ""]


def related(page: Page, names: Iterable[str], titles: Mapping[str, str]) -> list[str]:
    links = [f"- [{titles[name]}]({link_to(name, page)})" for name in names]
    return ["", f"## {WORDS[page.language].related} {{ #related }}", "", *links] if links else []
