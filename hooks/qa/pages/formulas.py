"""Find the formulas in a page's Markdown, with their lines, as arithmatex finds them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from textwrap import dedent

from pymdownx import arithmatex

from qa.pages.fences import Fate
from qa.pages.page import VALUE, Page

COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
CODE = re.compile(r"(?<![\\`])(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
BLOCK = re.compile(r"(?:[^\n]*\S[^\n]*\n?)+")
"""What stands between empty lines."""
DISPLAY = re.compile(
    f"(?:{arithmatex.RE_DOLLAR_BLOCK}|{arithmatex.RE_BRACKET_BLOCK}|{arithmatex.RE_TEX_BLOCK})[ ]*",
    re.DOTALL,
)
INLINE = re.compile(
    r"(?<!\\)\$(?!\s)(?P<dollars>(?:\\.|[^\\$])+?)(?<!\s)\$"
    r"|(?<!\\)\\\((?P<brackets>(?:\\[^)]|[^\\])+?)\\\)",
    re.DOTALL,
)
LEFT = {
    r"\\[A-Za-z]{2,}": "TeX outside of one: close it, and leave no space inside its $",
    r"(?<!\\)\$[^$\n]*\^": "never closed; write \\$ for a dollar",
}
"""What shows in prose that a formula was meant."""


@dataclass(frozen=True)
class Formula:
    """`line` is that on which `source` begins; `doubt` says why it may be none, or may be more."""

    line: int
    source: str = ""
    display: bool = False
    doubt: str = ""


def find(page: Page) -> Iterator[Formula]:
    """In their order; those that name a value of the run are for the built page to draw."""
    text = COMMENT.sub(_blank, "\n".join(_prose(page)))
    for match in BLOCK.finditer(text):
        if "$" not in match[0] and "\\" not in match[0]:
            continue
        block = CODE.sub(_blank, dedent(match[0])).rstrip("\n")
        first = page.first + text.count("\n", 0, match.start())
        yield from (
            formula for formula in _in_block(block, first) if not VALUE.search(formula.source)
        )


def _prose(page: Page) -> list[str]:
    """The lines of the page, empty where code stands; a cell's fence holds its caption."""
    lines = list(page.lines)
    for fence in page.fences:
        hidden = (
            (fence.line, fence.end) if fence.fate is Fate.CELL else range(fence.line, fence.end + 1)
        )
        for number in hidden:
            lines[number - page.first] = ""
    return lines


def _blank(match: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", match[0])


def _in_block(block: str, first: int) -> Iterator[Formula]:
    if whole := DISPLAY.fullmatch(block):
        name = next(name for name in ("math", "math2", "math3") if whole[name])
        yield Formula(first + block.count("\n", 0, whole.start(name)), whole[name], display=True)
        return
    yield from (_inline(match, block, first) for match in INLINE.finditer(block))
    prose = INLINE.sub(_blank, block)
    for pattern, doubt in LEFT.items():
        if left := re.search(pattern, prose):
            yield Formula(first + block.count("\n", 0, left.start()), doubt=doubt)
            return


def _inline(match: re.Match[str], block: str, first: int) -> Formula:
    name = "dollars" if match["dollars"] else "brackets"
    line = first + block.count("\n", 0, match.start(name))
    if block.startswith("#"):
        return Formula(line, doubt="a heading has none: the lists of headings cannot show it")
    return Formula(line, match[name])
