"""What a page says of a sweep beside its figure and its table: where the claim flips; and the place
of the slider that assets/sweep.js makes of the table."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal

from qa.pages.inert import inert_html
from qa.pages.labels import Labels
from qa.run.inside.safe import HTML
from qa.run.inside.sweeps import written
from qa.run.notebook import Cell
from qa.run.store import Result
from qa.words import WORDS

NAME = re.compile(r"<tr>\s*<th>([^<]+)</th>\s*(?:<td></td>\s*)+</tr>")
"""Of the index, as pandas writes it below the names of the columns."""
ROW = re.compile(r"<tr>\s*<th>([^<]+)</th>((?:\s*<td>[^<]+</td>)+)\s*</tr>")
"""The value of the assumption, and what follows from it."""


@dataclass(frozen=True)
class Sweep:
    """`rows` are the values of the assumption in the table, and `columns` counts the quantities."""

    labels: Labels
    flip: float | None
    assumption: str
    rows: Sequence[float]
    columns: int

    def where_it_flips(self) -> str:
        """A sentence, as plain text."""
        words = WORDS[self.labels.language]
        if self.flip is None:
            return words.never_flips
        return words.flips.format(assumption=self.assumption, value=written(self.flip))

    def lines(self, shown: list[str]) -> list[str]:
        """On the page; `shown` are those of the figure and the table."""
        text = inert_html(html.escape(self.where_it_flips()))
        said = f'<p class="qa-flip">{text}</p>'
        *above, table, blank = shown or ["", ""]
        inside = ["", said, "", *above, *self._slider(), table, blank]
        return ['<div class="qa-sweep" markdown="1">', *inside, "</div>", ""]

    def _slider(self) -> Iterator[str]:
        """Nothing where no script runs: empty lines for what the script writes."""
        if not self.rows:
            return
        flip = self.rows[0] if self.flip is None else self.flip
        nearest = min(range(len(self.rows)), key=lambda row: abs(self.rows[row] - flip))
        lines = "<span></span>" * self.columns
        sides = "|".join(self._sides())
        yield f'<div class="qa-slider" data-start="{nearest}" data-sides="{sides}">{lines}</div>'
        yield ""

    def _sides(self) -> Iterator[str]:
        """Of the flip, for each row."""
        before, at, beyond = WORDS[self.labels.language].sides_of_flip
        if self.flip is None:
            return
        for row in self.rows:
            is_there = math.isclose(row, self.flip, rel_tol=1e-5)
            yield at if is_there else before if row < self.flip else beyond


def sweep_of(cell: Cell, result: Result, labels: Labels) -> Sweep:
    tables = [each.get("data", {}) for each in result.cells[cell.name].outputs]
    table = next((labels.put(each)[HTML] for each in tables if HTML in each), "")
    name, rows = NAME.search(table), ROW.findall(table)
    values: list[float] = []
    with suppress(ValueError):  # shown in a way of the author's own
        values = [float(value.replace(",", "")) for value, _ in rows]
    flip = result.values.get(cell.flips)
    return Sweep(
        labels,
        float(flip) if isinstance(flip, int | float | Decimal) else None,
        html.unescape(name[1]).strip() if name else "",
        values,
        rows[0][1].count("<td>") if rows else 0,
    )
