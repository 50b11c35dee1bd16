"""Markdown in, Markdown out: cells, values and lists of questions take their place on a page."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable, Mapping

from qa.files import lines_of
from qa.pages.cells import Cells
from qa.pages.citations import Citation, by_cell, citations
from qa.pages.content import Content
from qa.pages.fences import Fate, Fence, block, folded, without_own_options
from qa.pages.inert import inert_text
from qa.pages.page import HEADING, Page, Value
from qa.run.store import Scalar
from qa.words import WORDS


def render(page: Page, content: Content) -> list[str]:
    """The lines of a page that has passed its checks, in Markdown, with everything filled in."""
    words = WORDS[page.language]
    values, notebook, result = content.values, content.notebook, content.result
    plain = with_values(page, values)
    cited = citations(page, notebook if result else None, content.definitions)
    lines = with_values(page, values, {citation.value: citation for citation in cited})
    cells = None
    if notebook and result:
        back = _ways_back(page, plain, cited, values)
        cells = Cells(page, notebook, result, content.proof, content.to_root, back)
    titles = [section.line for section in page.sections if section.level == 1]
    below = {line: list(content.below_title) for line in titles}
    if any(page.folds(fence) for fence in page.fences):
        switch = ["", f'<p class="qa-unfold">{words.show_all_code}</p>', ""]
        below |= dict.fromkeys(page.lines_of("run")[:1], switch)
    at = {fence.line: fence for fence in page.fences}
    last = _last_cell_of_run(page)
    out: list[str] = []
    number = page.first
    while number < page.first + len(page.lines):
        fence = at.get(number)
        if fence is None:
            out.append(lines[number - page.first])
            out += below.get(number, [])
            number += 1
            continue
        body = slice(fence.line - page.first, fence.end - page.first + 1)
        number = fence.end + 1
        if fence.fate is Fate.CELL and cells:
            caption, alt = _caption(lines[body]), _caption(plain[body])
            out += cells.lines(fence, caption, html.unescape(alt.replace("`", "")))
            out += cells.how_it_ran() if fence is last else []
        elif fence.fate is Fate.LIST:
            out += content.lists[fence.language](fence)
        else:
            code = _code(fence, plain[body], content.included)
            out += folded(fence, code, words) if page.folds(fence) else code
    return out


def with_values(
    page: Page, values: Mapping[str, Scalar], cited: Mapping[Value, Citation] | None = None
) -> list[str]:
    """The page's lines with all values filled in, those that are cited as links."""
    lines = list(page.lines)
    for value in reversed(page.values):
        line = lines[value.line - page.first]
        text = _text(value, values)
        if cited and value in cited:
            text = cited[value].link(text)
        lines[value.line - page.first] = line[: value.start] + text + line[value.end :]
    return lines


def _text(value: Value, values: Mapping[str, Scalar]) -> str:
    return inert_text(format(values[value.name], value.format))


def _ways_back(
    page: Page, lines: list[str], cited: Iterable[Citation], values: Mapping[str, Scalar]
) -> dict[str, str]:
    """From each cell to the places that cite it: the numbers there, below their sections."""
    words = WORDS[page.language]
    ways = {}
    for cell, places in by_cell(page, cited).items():
        parts = []
        for line, found in places.items():
            heading = HEADING.match(lines[line - page.first]) if line else None
            title = heading["title"] if heading else words.lead
            links = (f"[{_text(each.value, values)}](#{each.anchor})" for each in found)
            parts.append(f"{title} {' '.join(links)}")
        ways[cell] = words.cited_in.format(places=" · ".join(parts))
    return ways


def _caption(lines: list[str]) -> str:
    return " ".join(line.strip() for line in lines[1:-1]).strip()


def _code(fence: Fence, lines: list[str], included: Callable[[str, str], str]) -> list[str]:
    """A block of code as the highlighter understands it."""
    opening = without_own_options(lines[0])
    if fence.fate is Fate.INCLUDED:
        return block(opening, lines_of(fence.with_includes(included)))
    return [opening, *lines[1:]]


def _last_cell_of_run(page: Page) -> Fence | None:
    """The run is described once, below the last cell of its section."""
    run = page.lines_of("run")
    cells = [fence for fence in page.cells if fence.line in run] or page.cells
    return cells[-1] if cells else None
