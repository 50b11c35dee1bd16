"""Cells of a table of many columns name their column."""

from __future__ import annotations

import pytest
from markdown import markdown

from qa.finish.tables import labelled


def table(*rows: str) -> str:
    head, *body = rows
    line = "|" + " --- |" * (head.count("|") + 1)
    lines = [f"| {head} |", line, *(f"| {row} |" for row in body)]
    return str(markdown("\n".join(lines), extensions=["tables"]))


def test_each_cell_has_the_label_of_its_column() -> None:
    html = labelled(table('a|*b*|`c < d`|e "f"', "1|2|3|4", "5|6||8"))
    for number, label in enumerate(["a", "b", "c &lt; d", "e &quot;f&quot;"] * 2, 1):
        cell = "" if number == 7 else number
        assert f'<td role="cell" data-label="{label}">{cell}</td>' in html
    assert html.count('role="row"') == 3
    assert html.count('role="rowgroup"') == 2
    assert html.count('role="columnheader"') == 4
    assert html.count('role="table"') == 1


def test_alignment_stays() -> None:
    html = labelled(markdown("a|b|c|d\n-:|-|-|-\n1|2|3|4", extensions=["tables"]))
    assert 'role="cell" data-label="a" style="text-align: right;">1<' in html


@pytest.mark.parametrize(
    "other",
    [
        table("a|b|c", "1|2|3"),
        "<table>&#10;  <thead>&#10;    <tr><th>a</th><th>b</th><th>c</th><th>d</th></tr></table>",
        "<p>&lt;table&gt;</p>",
    ],
)
def test_what_fits_and_what_a_run_shows_stays(other: str) -> None:
    assert labelled(other) == other


def test_two_tables_have_their_own_labels() -> None:
    html = labelled(table("a|b|c|d", "1|2|3|4") + "<p>x</p>" + table("e|f|g|h", "1|2|3|4"))
    assert html.index('data-label="a"') < html.index("<p>x</p>") < html.index('data-label="e"')
