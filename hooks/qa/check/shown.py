"""What an author wrote on a page, and what of it a reader must find there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from textwrap import dedent

from qa.check.article import Written
from qa.pages.fences import SNIPPET, Fate
from qa.pages.page import HEADING, Page
from qa.run.notebook import Notebook

ITEM = re.compile(r"[ >]*(\d{1,3})\.\s+\S")


def written(
    page: Page, lines: list[str], notebook: Notebook | None, root: Path, added: Iterable[str] = ()
) -> Written:
    """`lines` are the page's, with values filled in; files are included from `root`, and `added`
    are the headings that the build puts below the author's."""
    headings = [(s.line, s.level, _title(lines[s.line - page.first])) for s in page.sections]
    headings += [(0, 2, title) for title in added]
    items = ((n, ITEM.match(line)) for n, line in enumerate(page.prose, page.first))
    numbers = [(n, int(item[1])) for n, item in items if item]
    return Written(lines, page.first, list(_code(page, notebook, root)), headings, numbers)


def _title(line: str) -> str:
    found = HEADING.match(line)
    return found["title"] if found else line


def _code(page: Page, notebook: Notebook | None, root: Path) -> Iterator[tuple[int, str]]:
    for fence in page.fences:
        if fence.fate is Fate.CELL:
            cell = notebook.cell(fence.options.get("name", "")) if notebook else None
            if cell:
                yield fence.line, cell.source
        elif fence.fate is Fate.INCLUDED:
            yield fence.line, fence.with_includes(partial(_section, root))
        elif fence.fate is not Fate.LIST:
            yield fence.line, fence.code


def _section(root: Path, name: str, section: str) -> str:
    """Of a file that was checked; all of it if `section` is empty."""
    lines = (root / name).read_text(encoding="utf-8").splitlines()
    if section:
        start, end = (
            next((n for n, line in enumerate(lines) if f"{SNIPPET} [{mark}:{section}]" in line), 0)
            for mark in ("start", "end")
        )
        lines = lines[start + 1 : end]
    return dedent("\n".join(line for line in lines if f"{SNIPPET} [" not in line))
