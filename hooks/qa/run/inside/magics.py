"""IPython's own syntax as Python, each statement on the line on which its author wrote it."""

from __future__ import annotations

import re

from IPython.core.inputtransformer2 import TransformerManager

EMPTY_LINES = re.compile(r"(?:[ \t\f]*\n)*")
PYTHON_BELOW = re.compile(r"%%(?:capture|prun|time|timeit)\b.*")
"""Cell magics that run what stands below them."""


class LineKeeper(TransformerManager):
    """IPython's transformer, whose result has as many lines before each statement as its source."""

    def transform_cell(self, cell: str) -> str:
        empty = EMPTY_LINES.match(cell)[0]  # type: ignore[index]
        return "\n" * empty.count("\n") + str(super().transform_cell(cell[len(empty) :]))

    def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
        changed, new = super().do_one_token_transform(lines)  # type: ignore[no-untyped-call]
        if len(new) < len(lines):  # a command over several lines has become one
            first = next(n for n, line in enumerate(new) if line != lines[n])
            new[first + 1 : first + 1] = ["\n"] * (len(lines) - len(new))
        return changed, new


def as_python(source: str) -> str:
    """What a cell runs as Python: without magics that time or capture it, others made calls."""
    empty = EMPTY_LINES.match(source)[0]  # type: ignore[index]
    if magic := PYTHON_BELOW.match(source, len(empty)):
        return empty + as_python(source[magic.end() :])
    return LineKeeper().transform_cell(source)
