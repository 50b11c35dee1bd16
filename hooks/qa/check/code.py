"""What must be the same in the blocks of code of all languages of a page."""

from __future__ import annotations

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment
from pygments.util import ClassNotFound

from qa.pages.fences import Fate, Fence

INSTRUCTIONS = (Comment.Preproc, Comment.PreprocFile, Comment.Hashbang)
"""Comments only by name: they change what a program does."""


def essence(fence: Fence) -> list[tuple[str, int]]:
    """Code without comments and empty lines, and a diagram's kind; each line with its number."""
    text = fence.code
    if fence.fate is Fate.DIAGRAM:
        lines = [(line.split()[0], n) for line, n in _lines(fence, text) if line[:2] != "%%"]
        return lines[:1]
    if fence.fate in (Fate.CELL, Fate.LIST):
        return []
    included = fence.fate is Fate.INCLUDED
    return _lines(fence, text if included else _without_comments(fence.language, text))


def _lines(fence: Fence, text: str) -> list[tuple[str, int]]:
    numbered = enumerate(text.split("\n"), fence.line + 1)
    return [(line.rstrip(), number) for number, line in numbered if line.strip()]


def _without_comments(language: str, text: str) -> str:
    try:
        lexer = get_lexer_by_name(language, stripnl=False)
    except ClassNotFound:
        return text
    return "".join(
        "\n" * value.count("\n") if kind in Comment and kind not in INSTRUCTIONS else value
        for kind, value in lexer.get_tokens(text)
    )
