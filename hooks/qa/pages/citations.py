"""Numbers in prose as quiet links to the cells that computed them, and the ways back; facts as
links to the list of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate

from qa.pages import markup
from qa.pages.page import HEADING, VALUE, Page, Value
from qa.pages.sourced import anchor_of
from qa.run.notebook import Notebook

BOX = re.compile(r" *(?:!!!|\?\?\?\+?) ")
TAG = re.compile(r"<a\b.*?</a>|</?[a-z][^>\n]*>", re.DOTALL | re.IGNORECASE)
NO_PROSE = (markup.LINK, markup.DEFINITION, TAG)
"""Where no link can stand."""


@dataclass(frozen=True)
class Citation:
    """A value in prose; `anchor` is its place on the page, `cell` the one that leads to it, if it
    is no fact."""

    value: Value
    anchor: str
    cell: str = ""

    def link(self, text: str) -> str:
        """`text` is Markdown."""
        target = f"cell-{self.cell}" if self.cell else anchor_of(self.value.fact)
        return f'<a class="qa-value" id="{self.anchor}" href="#{target}">{text}</a>'


def citations(
    page: Page, notebook: Notebook | None, definitions: Mapping[str, str]
) -> list[Citation]:
    """In their order; `definitions` are the names of the cells that compute the values.

    In place of a cell that is not on the page stands the next one that is.
    """
    shown = {fence.options["name"]: fence for fence in page.cells}
    leads: dict[str, str] = {}
    following = ""
    for cell in reversed(notebook.code if notebook else ()):
        following = cell.name if cell.name in shown else following
        leads[cell.name] = following
    found = []
    for number, value in _in_prose(page):
        cell_name = leads.get(definitions.get(value.name, ""), "")
        fence = shown.get(cell_name)
        if value.fact:
            found.append(Citation(value, f"value-{number}"))
        elif fence and not fence.line < value.line < fence.end:
            found.append(Citation(value, f"value-{number}", cell_name))
    return found


def _in_prose(page: Page) -> Iterator[tuple[int, Value]]:
    """Each value that may be a link, and its number on the page."""
    # A value becomes one word, so that it parts no address.
    prose = VALUE.sub(lambda match: "x" * len(match[0]), "\n".join(page.prose))
    visible = markup.visible(prose)
    begins = list(accumulate((len(line) + 1 for line in page.prose), initial=0))
    # Groups may lie ahead of the match itself.
    taken = [
        (match.start(), max(match.end(group) for group in range(form.groups + 1)))
        for form in NO_PROSE
        for match in form.finditer(visible)
    ]
    for number, value in enumerate(page.values, 1):
        line = page.prose[value.line - page.first]
        place = begins[value.line - page.first] + value.start
        inside = any(start <= place < end for start, end in taken)
        hidden = visible[place] == " "
        if not (inside or hidden or HEADING.match(line) or BOX.match(line)):
            yield number, value


def by_cell(page: Page, found: Iterable[Citation]) -> dict[str, dict[int, list[Citation]]]:
    """By cell, and by the line of the section of level 2 in which it stands, 0 above the first."""
    starts = [section.line for section in page.sections if section.level == 2]
    found = [citation for citation in found if citation.cell]
    out: dict[str, dict[int, list[Citation]]] = defaultdict(lambda: defaultdict(list))
    for citation in found:
        start = max((line for line in starts if line < citation.value.line), default=0)
        out[citation.cell][start].append(citation)
    return out
