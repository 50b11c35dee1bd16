"""What must be the same in the blocks of code of all languages of a page."""

from __future__ import annotations

from textwrap import dedent

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment
from pygments.util import ClassNotFound

from qa.pages.page import GENERATED, Fence

SNIPPET = "--8<--"
INSTRUCTIONS = (Comment.Preproc, Comment.PreprocFile, Comment.Hashbang)
"""Comments only by name: they change what a program does."""


def essence(fence: Fence) -> list[tuple[str, int]]:
    """Code without comments and empty lines, and a diagram's kind; each line with its number."""
    text = dedent(fence.text)
    if fence.language == "mermaid":
        lines = [(line.split()[0], n) for line, n in _lines(fence, text) if line[:2] != "%%"]
        return lines[:1]
    if fence.language in GENERATED:
        return []
    return _lines(fence, text if SNIPPET in text else _without_comments(fence.language, text))


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
