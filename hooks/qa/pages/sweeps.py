"""What a page says of a sweep beside its figure and its table: where the claim flips."""

from __future__ import annotations

import html
import re
from decimal import Decimal

from qa.pages.labels import Labels
from qa.run.inside.safe import HTML
from qa.run.inside.sweeps import written
from qa.run.notebook import Cell
from qa.run.store import Result
from qa.words import WORDS

NAME = re.compile(r"<tr>\s*<th>([^<]+)</th>")
"""Of the index, as pandas writes it: the first head of a row."""


def flip_of(cell: Cell, result: Result) -> float | None:
    """The value of the assumption at which the claim flips, or None if it never does."""
    value = result.values.get(cell.flips)
    return float(value) if isinstance(value, int | float | Decimal) else None


def where_it_flips(cell: Cell, result: Result, labels: Labels) -> str:
    """A sentence, as plain text."""
    words, flip = WORDS[labels.language], flip_of(cell, result)
    if flip is None:
        return words.never_flips
    return words.flips.format(assumption=_assumption(cell, result, labels), value=written(flip))


def _assumption(cell: Cell, result: Result, labels: Labels) -> str:
    tables = [each.get("data", {}) for each in result.cells[cell.name].outputs]
    found = (NAME.search(labels.put(table)[HTML]) for table in tables if HTML in table)
    return next((html.unescape(name[1]).strip() for name in found if name), "")
