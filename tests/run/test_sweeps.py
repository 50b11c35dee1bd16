"""A cell tagged `sweep` shows a figure and a table of what follows from an assumption."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.report import run
from qa.run.store import Result

TABLE = """\
table = pd.DataFrame({
    "waits [s]": [0.1, 0.2, 0.9],
    "worst [s]": [0.3, 0.6, 2.7],
    "cost [$]": [9, 9, 9],
}, index=pd.Index([1, 2, 4], name="load [requests/s]"))
"""
MARK = 'tags=["sweep"] flips="limit"'
HEAD = "import pandas as pd\n\nlimit = 2.515\nassert limit\n"
LINE = 9
"""On which the code of the sweep begins."""
Sweep = Callable[..., Result]


@pytest.fixture
def sweep(server: LocalServer, tmp_path: Path) -> Sweep:
    """Runs a sweep that ends with an expression, behind a cell `head` and before one of `below`."""

    def run_sweep(
        last: str = "table", mark: str = MARK, head: str = HEAD, below: str = "pass"
    ) -> Result:
        path = tmp_path / "notebooks" / "training" / "cells.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        first = f'# %% name="head"\n{head}\n\n'
        path.write_text(
            f'{first}# %% name="sweep" {mark}\n{TABLE}{last}\n\n# %% name="below"\n{below}\n'
        )
        return run(notebooks.read(path), server)

    return run_sweep


def figure(result: Result) -> str:
    first, second = (output["data"] for output in result.cells["sweep"].outputs)
    assert "<th>waits [s]</th>" in second["text/html"]
    assert "<th>load [requests/s]</th>" in second["text/html"]
    return str(first["image/svg+xml"])


def faults(sweep: Sweep, *arguments: str, **named: str) -> list[tuple[int, str]]:
    with pytest.raises(Failures) as caught:
        sweep(*arguments, **named)
    return [(failure.line, failure.code) for failure in caught.value.failures]


def test_a_sweep_is_a_figure_with_a_panel_for_each_unit_and_the_table(sweep: Sweep) -> None:
    drawn = figure(sweep())
    panels = set(re.findall(r'id="(axes_\d)"', drawn))
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert panels == {"axes_1", "axes_2"}
    for text in ("load [requests/s]", "waits [s]", "worst [s]", "cost [$]"):
        assert texts.count(text) == 1


def test_a_line_in_each_panel_and_a_number_say_where_the_claim_flips(sweep: Sweep) -> None:
    drawn = figure(sweep())
    assert drawn.count("stroke-dasharray") == 2
    assert ">2.52</text>" in drawn


def test_nothing_is_marked_where_nothing_flips(sweep: Sweep) -> None:
    drawn = figure(sweep(head=HEAD.replace("2.515\nassert limit", "None\nassert not limit")))
    assert "stroke-dasharray" not in drawn


def test_it_is_logarithmic_where_the_assumption_spans_two_decades(sweep: Sweep) -> None:
    def places(index: str) -> list[float]:
        """Of the rows, from left to right."""
        drawn = figure(sweep(f"table.index = pd.Index({index}, name=table.index.name)\ntable"))
        line = re.findall(r'd="M ([^"]*)" clip-path="[^"]*" style="[^"]*stroke: #3b82c4', drawn)[0]
        return [float(place) for place in line.split()[::3]]

    first, second, third = places("[1, 20, 400]")
    assert second - first == pytest.approx(third - second, rel=0.01)
    first, second, third = places("[1, 21, 41]")
    assert second - first == pytest.approx(third - second, rel=0.01)


@pytest.mark.parametrize(
    ("last", "code"),
    [
        ('table["cost [$]"]', "sweep-table"),
        ("table.rename_axis(None)", "sweep-table"),
        ("table.set_index(pd.Index(['1', '2', '4'], name='load'))", "sweep-table"),
        ("table.iloc[::-1]", "sweep-table"),
        ("table.set_index(pd.Index([1, 1, 4], name='load'))", "sweep-table"),
        ("table.head(2)", "sweep-table"),
        ("pd.concat([table, table], axis='columns')", "sweep-table"),
        ("table.assign(verdict=['good', 'good', 'bad'])", "sweep-table"),
        ("table[[]]", "sweep-table"),
        ("table;", "sweep-table"),
        ("print('done')\ntable", "sweep-table"),
        ("limit = 5\ntable", "flip-outside"),
        ("limit = 'two'\ntable", "flip-unknown"),
        ("limit = True\ntable", "flip-unknown"),
        ("del limit\ntable", "flip-unknown"),
    ],
)
def test_what_is_no_sweep_is_a_fault_of_its_cell(sweep: Sweep, last: str, code: str) -> None:
    assert faults(sweep, last) == [(LINE, code)]


def test_the_claim_flips_where_the_notebook_says_in_the_end(sweep: Sweep) -> None:
    assert faults(sweep, below="limit = 3") == [(LINE, "flip-changed")]


@pytest.mark.parametrize(
    "mark",
    [
        'tags=["sweep"]',
        'flips="limit"',
        'tags=["sweep", "remove-output"] flips="limit"',
    ],
)
def test_the_marker_of_a_sweep_names_what_flips(sweep: Sweep, mark: str) -> None:
    assert faults(sweep, mark=mark) == [(LINE - 1, "sweep-flips")]
