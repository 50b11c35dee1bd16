"""Runs in the sandbox: a table whose rows say what follows from an assumption, drawn as a figure
that shows at which value of it a claim flips."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from qa.run.inside import scalars
from qa.run.inside.safe import HTML, SVG
from qa.run.protocol import Cell, Display, Exact, Stream, Value

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FEWEST_ROWS, MOST_ROWS, MOST_COLUMNS = 3, 30, 5
NEVER = "NoneType"
"""The kind of what is named where the claim holds over the whole range."""
UNIT = re.compile(r"\[([^\[\]]*)\]\s*\Z")

WIDTH, PANEL, AROUND = 5.5, 1.9, 0.8
"""Inches."""
TEXT_SIZE = 12.5
"""Points: without scrolling it can be read on a phone."""
MARKERS = "os^Dv"


class Sweeps:
    """Those of a run. `fault` takes what is wrong with one: its cell, in words, its code."""

    def __init__(self, variables: dict[str, Any], fault: Callable[[Cell, str, str], None]) -> None:
        self.variables = variables
        self.fault = fault
        self.drawn: list[tuple[Cell, Value | None]] = []
        self.faulty: list[Cell] = []

    def figure(self, cell: Cell, table: object) -> Figure | None:
        """Of the table that a cell gives; None if there is something wrong with it."""
        if reason := _fault_of(table):
            self._add(cell, reason, "sweep-table")
            return None
        frame: pd.DataFrame = table
        if not self._knows(cell.flips):
            reason = f'flips="{cell.flips}": no number has this name, here or above'
            self._add(cell, f"{reason} (None if nothing flips in this range)", "flip-unknown")
            return None
        flip = _value(self.variables, cell.flips)
        least, most = frame.index[0], frame.index[-1]
        if flip is not None and not least <= as_number(flip) <= most:
            where = f"flips at {written(flip)}, outside of its rows, {least} to {most}"
            self._add(cell, f"{where}: sweep further, or let {cell.flips} be None", "flip-outside")
            return None
        self.drawn.append((cell, flip))
        return _figure(frame, None if flip is None else as_number(flip))

    def check_shown(self, cell: Cell, shown: Sequence[Stream | Display]) -> None:
        """When the cell has ended."""
        kinds = [kind for each in shown if isinstance(each, Display) for kind in each.data]
        if cell not in self.faulty and (len(shown) != 2 or kinds != [SVG, HTML]):
            reason = "a sweep shows the table that its last line gives, and nothing else"
            self._add(cell, reason, "sweep-table")

    def check_values(self) -> None:
        """When all cells have."""
        for cell, flip in self.drawn:
            if not self._knows(cell.flips) or _value(self.variables, cell.flips) != flip:
                reason = f"{cell.flips} becomes another value below the sweep that it flips"
                self._add(cell, f"{reason}: use another name there", "flip-changed")

    def _knows(self, name: str) -> bool:
        value = _value(self.variables, name)
        known = isinstance(value, int | float | Exact) and not isinstance(value, bool)
        return known or scalars.kinds(self.variables).get(name) == NEVER

    def _add(self, cell: Cell, reason: str, code: str) -> None:
        self.faulty.append(cell)
        self.fault(cell, reason, code)


def _value(variables: dict[str, Any], name: str) -> Value | None:
    return scalars.scalars(variables).get(name)


def as_number(value: Value | Decimal) -> float:
    return float(value.decimal if isinstance(value, Exact) else value)


def written(value: Value | Decimal) -> str:
    """Whole, or to three digits: the same in the figure and beside it."""
    number = as_number(value)
    if number == int(number):
        return f"{int(number):,}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _fault_of(table: object) -> str:
    """Why it is no sweep, or nothing."""
    import pandas as pd

    if not isinstance(table, pd.DataFrame):
        return f"a sweep ends with a DataFrame; this one gives {type(table).__name__}"
    name, index = table.index.name, table.index
    if not isinstance(name, str) or not name:
        return 'the index of a sweep is the assumption: name it, as in "load [requests/s]"'
    if not _is_number(index) or not index.is_monotonic_increasing or not index.is_unique:
        return f'"{name}", the index of a sweep, must be of numbers, in ascending order'
    if not FEWEST_ROWS <= len(table) <= MOST_ROWS or not 1 <= table.shape[1] <= MOST_COLUMNS:
        rows = f"{FEWEST_ROWS} to {MOST_ROWS} rows and at most {MOST_COLUMNS} columns"
        return f"a sweep has {rows}; this one has {len(table)} and {table.shape[1]}"
    for column, values in table.items():
        if not isinstance(column, str) or not _is_number(values):
            return f'"{column}" is no column of numbers with a name, as in "wait [s]"'
    return ""


def _is_number(values: pd.Index[Any] | pd.Series[Any]) -> bool:
    return values.dtype.kind in "iuf"


def _figure(table: pd.DataFrame, flip: float | None) -> Figure:
    """A panel for each unit, and in each a line at the flip."""
    from matplotlib.figure import Figure

    units = [(UNIT.search(str(column)) or [""] * 2)[1] for column in table]
    panels = list(dict.fromkeys(units))
    size = WIDTH, AROUND + PANEL * len(panels) + 0.2 * len(units)
    figure = Figure(figsize=size, layout="constrained")
    axes = list(figure.subplots(len(panels), sharex=True, squeeze=False)[:, 0])
    for number, (unit, column) in enumerate(zip(units, table, strict=True)):
        axes[panels.index(unit)].plot(
            table.index,
            table[column],
            f"{MARKERS[number]}-",
            color=f"C{number}",
            markersize=5,
            label=column,
        )
    for ax in axes:
        ax.legend(loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0, fontsize=TEXT_SIZE)
        ax.tick_params(labelsize=TEXT_SIZE)
        _scale(ax, "x", table.index, decades=2)
        _scale(ax, "y", [y for line in ax.lines for y in line.get_ydata()], decades=3)
    axes[-1].set_xlabel(str(table.index.name), fontsize=TEXT_SIZE)
    if flip is not None:
        _mark(axes, flip)
    return figure


def _scale(ax: Axes, side: Literal["x", "y"], values: Iterable[float], decades: int) -> None:
    """Logarithmic where they are positive and span more than that; numbers without exponents."""
    from matplotlib.ticker import NullFormatter

    axis = {"x": ax.xaxis, "y": ax.yaxis}[side]
    seen = [value for value in values if math.isfinite(value)]
    if seen and min(seen) > 0 and max(seen) > min(seen) * 10**decades:
        ax.set(**{f"{side}scale": "log"})
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter("{x:,.10g}")


def _mark(axes: Sequence[Axes], flip: float) -> None:
    """The number stands above the lines, on the side where there is more room."""
    for ax in axes:
        ax.axvline(flip, color="0.5", linestyle="--", linewidth=1.2)
    top = axes[0]
    place = top.get_xaxis_transform()
    at = (top.transData.transform((flip, 1))[0] - top.bbox.x0) / top.bbox.width
    side, away = ("right", -4) if at > 0.5 else ("left", 4)
    top.annotate(
        written(flip),
        (flip, 1),
        (away, -2),
        xycoords=place,
        textcoords="offset points",
        ha=side,
        va="top",
        fontsize=TEXT_SIZE,
    )
    transform = top.yaxis.get_transform()
    low, high = transform.transform(top.get_ylim())
    top.set_ylim(*transform.inverted().transform([low, high + 0.25 * (high - low)]))
