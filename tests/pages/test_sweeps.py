"""A sweep on its page: figure, table, and a sentence that says where the claim flips."""

from __future__ import annotations

import re
from dataclasses import replace
from decimal import Decimal
from html import unescape
from pathlib import Path

import pytest

from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.labels import Labels
from qa.pages.plain import plain
from qa.pages.render import render
from qa.pages.sweeps import sweep_of
from qa.run.inside.safe import HTML, SVG
from qa.run.notebook import Cell, Notebook
from qa.run.store import CellResult, Result, Scalar

TABLE = """<div>
<table>
  <thead>
    <tr>
      <td></td>
      <th>wait [s]</th>
    </tr>
    <tr>
      <th>load &amp; more [requests/s]</th>
      <td></td>
    </tr>
  </thead>
  <tbody>
    <tr>
      <th>1</th>
      <td>0.1</td>
    </tr>
    <tr>
      <th>4</th>
      <td>0.9</td>
    </tr>
  </tbody>
</table>
</div>"""
SHOWN = [
    {"output_type": "display_data", "data": {kind: content}, "metadata": {}}
    for kind, content in [(SVG, '<svg viewBox="0 0 9 9"></svg>'), (HTML, TABLE)]
]
CODE = (Cell("code", "table", 1, "load", ("sweep",), flips="limit"),)
NOTEBOOK = Notebook("t/n", Path("n.py"), "", CODE)
TEXT = '# T\n\n``` cell name="load"\nIt waits.\n```\n'
LABELS = "---\nlabels: {'load & more [requests/s]': '负载 [请求/s]', 'wait [s]': '等待 [s]'}\n---\n"


def result(flip: Scalar | None) -> Result:
    values: dict[str, Scalar] = {} if flip is None else {"limit": flip}
    kinds = {"limit": "NoneType"} if flip is None else {}
    cells = {"load": CellResult(0.1, SHOWN)}
    when = "2026-01-02T03:04:05"
    return Result("t/n", cells, values, kinds, 1, 1, 1, when, "3.11.2", "Linux", "P", {})


def shown(folder: Path, language: str, flip: Scalar | None) -> tuple[list[str], str]:
    """The paragraphs of the sweep on the page, and the page as plain Markdown."""
    path = folder / "n.md"
    path.write_text((LABELS if language == "zh" else "") + TEXT, encoding="utf-8")
    page, ran = pages.read(path, language, "t/n"), result(flip)
    lines = render(page, Content({}, NOTEBOOK, ran, to_root="../"))
    sweep = "\n".join(lines).partition('<div class="qa-sweep" markdown="1">')[2]
    assert 0 < sweep.index("<figure") < sweep.index('class="qa-table"')
    said = re.findall(r'<p class="qa-flip">(.*)</p>', sweep[: sweep.index("<figure")])
    text = "\n".join(plain(page, Content({}, NOTEBOOK, ran, to_root="../")))
    return [unescape(unescape(each)) for each in said], text


def strange(value: str) -> dict[str, object]:
    """A table that no sweep gives."""
    table = TABLE.replace("<th>1</th>", f"<th>{value}</th>")
    return {"output_type": "display_data", "data": {HTML: table}, "metadata": {}}


def sliders(ran: Result) -> list[str]:
    lines = sweep_of(CODE[0], ran, Labels("en", {})).lines([])
    return [line for line in lines if "qa-slider" in line]


@pytest.mark.parametrize(
    ("language", "flip", "said"),
    [
        ("en", 2.515, "The answer flips at load & more [requests/s] = 2.52"),
        ("zh", 2.515, "翻转点：负载 [请求/s] = 2.52"),
        ("en", 0, "The answer flips at load & more [requests/s] = 0"),
        ("en", None, "The answer does not flip within this range."),
        ("zh", None, "在扫过的范围内，结论不翻转。"),
    ],
)
def test_a_sweep_says_where_the_claim_flips(
    tmp_path: Path, language: str, flip: Scalar | None, said: str
) -> None:
    on_page, as_markdown = shown(tmp_path, language, flip)
    assert on_page == [said]
    assert f"\n{said}\n" in as_markdown
    assert (
        as_markdown.index(said) < as_markdown.index("![It waits.]") < as_markdown.index("| 0.9 |")
    )


@pytest.mark.parametrize(
    ("flip", "start", "sides"),
    [
        (3, "1", ["before the flip", "beyond the flip"]),
        (1.0, "0", ["at the flip", "beyond the flip"]),
        (Decimal("4"), "1", ["before the flip", "at the flip"]),
        (None, "0", [""]),
    ],
)
def test_the_slider_has_a_place_with_what_the_table_does_not_say(
    flip: Scalar | None, start: str, sides: list[str]
) -> None:
    (place,) = sliders(result(flip))
    assert re.findall(r'data-start="(.*?)"', place) == [start]
    assert re.findall(r'data-sides="(.*?)"', place)[0].split("|") == sides
    assert place.count("<span></span>") == 1


@pytest.mark.parametrize("shown", [[], SHOWN[:1], [strange("one"), strange("1e999x")]])
def test_a_run_that_shows_something_else_gets_no_slider(shown: list[dict[str, object]]) -> None:
    ran = replace(result(3), cells={"load": CellResult(0.1, shown)})
    assert sliders(ran) == []
