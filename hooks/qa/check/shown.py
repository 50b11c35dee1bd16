"""What an author wrote on a page, and what of it a reader must find there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from qa.check.article import Written
from qa.pages.fences import Fate, Fence
from qa.pages.includes import Includes
from qa.pages.page import HEADING, Page
from qa.run.notebook import Notebook

ITEM = re.compile(r"[ >]*(\d{1,3})\.\s+\S")


def written(
    page: Page,
    lines: list[str],
    notebook: Notebook | None,
    includes: Includes,
    added: Iterable[str] = (),
) -> Written:
    """`lines` are the page's, with values filled in, and `added` are the headings that the build
    puts below the author's."""
    headings = [(s.line, s.level, _title(lines[s.line - page.first])) for s in page.sections]
    headings += [(0, 2, title) for title in added]
    items = ((n, ITEM.match(line)) for n, line in enumerate(page.prose, page.first))
    numbers = [(n, int(item[1])) for n, item in items if item]
    return Written(lines, page.first, list(_code(page, notebook, includes)), headings, numbers)


def _title(line: str) -> str:
    found = HEADING.match(line)
    return found["title"] if found else line


def _code(page: Page, notebook: Notebook | None, includes: Includes) -> Iterator[tuple[int, str]]:
    for fence in page.fences:
        if text := code(fence, notebook, includes):
            yield fence.line, text


def code(fence: Fence, notebook: Notebook | None, includes: Includes) -> str:
    """What readers see of it as code; nothing of a list."""
    if fence.fate is Fate.CELL:
        cell = notebook.cell(fence.options.get("name", "")) if notebook else None
        return cell.source if cell else ""
    if fence.fate is Fate.INCLUDED:
        return fence.with_includes(includes.text)
    return "" if fence.fate is Fate.LIST else fence.code
