"""Runs in the sandbox: Markdown and LaTeX that an example shows, as HTML.

Formulas come out as `pymdownx.arithmatex` writes those of a page, so that they are drawn alike.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin

from qa.run.inside.safe import MATHEMATICS

WHOLE_FORMULA = re.compile(r"\s*(?:\\\[(.*)\\\]|(\\begin\{.*))\s*", re.DOTALL)


def from_markdown(text: str) -> str:
    """CommonMark and tables; HTML in it stays text."""
    return str(_MARKDOWN.render(text))


def from_latex(text: str) -> str:
    """Text with formulas between dollar signs, or one formula that stands alone."""
    if whole := WHOLE_FORMULA.fullmatch(text):
        text = f"$$\n{(whole[1] or whole[2]).strip()}\n$$"
    return str(_LATEX.render(text))


def _inline(_: Any, tokens: Sequence[Token], index: int, *__: object) -> str:
    return f'<span class="{MATHEMATICS}">\\({escapeHtml(tokens[index].content.strip())}\\)</span>'


def _block(_: Any, tokens: Sequence[Token], index: int, *__: object) -> str:
    return f'<div class="{MATHEMATICS}">\\[{escapeHtml(tokens[index].content.strip())}\\]</div>\n'


def _with_formulas(parser: MarkdownIt) -> MarkdownIt:
    parser.use(dollarmath_plugin, allow_labels=False, allow_digits=False, double_inline=True)
    parser.add_render_rule("math_inline", _inline)
    for kind in ("math_inline_double", "math_block"):
        parser.add_render_rule(kind, _block)
    return parser


_MARKDOWN = _with_formulas(MarkdownIt("commonmark", {"html": False}).enable("table"))
_LATEX = _with_formulas(MarkdownIt("zero"))
