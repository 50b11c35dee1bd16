"""The blocks of a page's prose, as text without code, mathematics, addresses and values."""

from __future__ import annotations

import re
from dataclasses import dataclass

from qa.check import numbers
from qa.pages import markup
from qa.pages.lengths import UNREAD
from qa.pages.page import HEADING, VALUE, Page

KINDS = {
    "item of a list": re.compile(r" *(?:[-*+]|\d+\.) +"),
    "row of a table": re.compile(r" *\|"),
    "box": re.compile(r" *(?:!!!|\?\?\?\+?) "),
    "quotation": re.compile(r" *>"),
    "tag": re.compile(r" *</?\w"),
}
PARAGRAPH, CAPTION, TITLE = "paragraph", "caption", "heading"
NAMES = re.compile(r"\{\{ *(\w+)|\]\(([^)\s]+)\)|`([^`]+)`")


@dataclass(frozen=True)
class Block:
    """`kind` is a key of KINDS, or one of the three below them; `line` is its first of the file;
    `names` are the values, addresses, code and numbers in it, the same in all languages."""

    line: int
    kind: str
    text: str
    names: frozenset[str] = frozenset()


def blocks(page: Page) -> list[Block]:
    captions = {line for cell in page.cells for line in range(cell.line, cell.end)}
    text = markup.visible("\n".join(page.prose))
    lines = UNREAD.sub(" ", VALUE.sub(" ", text)).split("\n")
    found: list[Block] = []
    joins = False
    for number, (written, line) in enumerate(zip(page.prose, lines, strict=True), page.first):
        kind = CAPTION if number in captions else _kind(written)
        if joins and kind in (PARAGRAPH, CAPTION) and written.strip():
            last = found[-1]
            more = last.names | _names(written, line)
            found[-1] = Block(last.line, last.kind, f"{last.text}\n{line}", more)
        elif written.strip():
            found.append(Block(number, kind, line, _names(written, line)))
        joins = bool(written.strip()) and kind not in (TITLE, "row of a table", "tag", "box")
    return found


def _names(written: str, text: str) -> frozenset[str]:
    return frozenset(["".join(found) for found in NAMES.findall(written)]).union(
        map(str, numbers.read(text))
    )


def _kind(line: str) -> str:
    if HEADING.match(line):
        return TITLE
    return next((kind for kind, form in KINDS.items() if form.match(line)), PARAGRAPH)
