"""Numbers lead to their cells, and back; code is folded; nothing else becomes a link."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.page import Page
from qa.pages.render import render
from qa.run.notebook import Cell, Notebook
from qa.run.store import CellResult, Result, Scalar

NAMES = ("first", "hidden", "second", "last")
NOTEBOOK = Notebook(
    "t/n", Path("n.py"), "", tuple(Cell("code", f"{name} = 1\n\nf()", 1, name) for name in NAMES)
)
RESULT = Result(
    notebook="t/n",
    cells={name: CellResult(0.1, []) for name in NAMES},
    values={},
    kinds={},
    seconds=1.0,
    processor_seconds=1.0,
    peak_memory_bytes=1,
    started="2026-01-02T03:04:05",
    python="3.11.2",
    system="Linux",
    processor="P",
    distributions={},
)
FENCES = "".join(
    f'``` cell name="{name}" does="says *{name}*"\nCaption.\n```\n\n'
    for name in ("first", "second")
)
VALUES: dict[str, Scalar] = {"a": 1.5, "b": "*"}
ORIGINS = {"a": "first"}


def rendered(folder: Path, text: str, origins: dict[str, str] = ORIGINS) -> str:
    path = folder / "n.md"
    path.write_text(f"# T\n\n{text}\n", encoding="utf-8")
    page: Page = pages.read(path, "en", "t/n")
    included = "x = 1\n"
    content = Content(
        VALUES,
        NOTEBOOK,
        RESULT,
        included=lambda *_: included,
        to_root="../",
        definitions=origins,
    )
    lines = render(page, content)
    return "\n".join(lines)


def targets(text: str) -> list[str]:
    return re.findall(r'<a class="qa-value" id="value-\d+" href="#cell-(\w+)">', text)


@pytest.mark.parametrize(
    "prose",
    [
        "It is {{ a }}.",
        "- **{{ a:.1f}}** times",
        "| x |\n|---|\n| {{ a }} |",
        "> {{ a }}",
        "A footnote.[^1]\n\n[^1]: {{ a }}.",
        '??? note "Title"\n\n    {{ a }}',
        "<b>{{ a }}</b>",
        "It costs \\${{ a }}, `x` and $n$.",
    ],
)
def test_a_number_leads_to_its_cell(tmp_path: Path, prose: str) -> None:
    assert targets(rendered(tmp_path, f"{prose}\n\n{FENCES}")) == ["first"]


@pytest.mark.parametrize(
    "prose",
    [
        "## It is {{ a }} { #it }",
        "[{{ a }}](#x) { #x }",
        '<a href="#x">{{ a }}</a> { #x }',
        "![{{ a }}](x.png)",
        "![x](x{{ a }}.png)",
        "[x][y]\n\n[y]: https://example.com/{{ a }}",
        '<span title="{{ a }}">x</span>',
        "$x = {{ a }}$",
        "$$\nx = {{ a }}\n$$",
        "<!-- {{ a }} -->",
        '!!! note "{{ a }}"\n\n    x',
        '??? note "{{ a }}"\n\n    x',
        "{{ b }}",
    ],
)
def test_where_no_link_can_stand_is_none(tmp_path: Path, prose: str) -> None:
    assert targets(rendered(tmp_path, f"{prose}\n\n{FENCES}")) == []


@pytest.mark.parametrize(
    ("origin", "target"),
    [("first", ["first"]), ("hidden", ["second"]), ("second", ["second"]), ("last", [])],
)
def test_a_cell_that_is_not_shown_is_represented_by_the_next(
    tmp_path: Path, origin: str, target: list[str]
) -> None:
    assert targets(rendered(tmp_path, f"{{{{ a }}}}\n\n{FENCES}", {"a": origin})) == target


def test_a_caption_leads_to_other_cells_only(tmp_path: Path) -> None:
    text = rendered(tmp_path, FENCES.replace("Caption.", "Caption {{ a }}."))
    assert targets(text) == ["first"]
    assert text.index("cell-second") < text.index('class="qa-value"')


def test_a_cell_leads_back_to_the_places_that_cite_it(tmp_path: Path) -> None:
    text = f"Above {{{{ a }}}}.\n\n## One {{ #one }}\n\n{{{{ a:.0f}}}} {{{{ a }}}}\n\n{FENCES}"
    back = re.search(r'<p class="qa-back".*', rendered(tmp_path, text))
    assert back
    ways = "The answer in 30 seconds [1.5](#value-1) · One [2](#value-2) [1.5](#value-3)"
    assert f": {ways}</p>" in back[0]


def test_code_is_folded_under_what_it_does(tmp_path: Path) -> None:
    text = f'{FENCES}``` cell name="last" open\nLast.\n```\n'
    found = re.findall(r'\n(\?\?\?\+? qa-code ".*")\n\n    ``` python\n', rendered(tmp_path, text))
    assert found == [
        '??? qa-code "Show the code (2 lines): says &#42;first&#42;"',
        '??? qa-code "Show the code (2 lines): says &#42;second&#42;"',
        '???+ qa-code "Show the code (2 lines)"',
    ]


@pytest.mark.parametrize(
    ("fence", "box"),
    [
        ('``` python does="x"\nx = 1\n```', '??? qa-code "Show the code (1 line): x"'),
        ("    ``` sql open\n    x\n    ```", '    ???+ qa-code "Show the code (1 line)"'),
        ('``` text reason="y" does="x"\n```', '??? qa-code "Show the code (0 lines): x"'),
        ('``` python does="x"\n--8<-- "f"\n```', '??? qa-code "Show the code (1 line): x"'),
    ],
)
def test_code_of_the_run_is_folded_and_no_other(tmp_path: Path, fence: str, box: str) -> None:
    text = rendered(tmp_path, f"## Run it {{ #run }}\n\n{fence}\n\n{FENCES}")
    assert f"\n{box}\n" in text
    assert '<p class="qa-unfold">Show all code</p>' in text
    assert box not in rendered(tmp_path, f"## Do this {{ #do-this }}\n\n{fence}\n\n{FENCES}")


def test_a_diagram_is_no_code(tmp_path: Path) -> None:
    text = "## Run it { #run }\n\n``` mermaid\nflowchart TD\n```\n"
    assert "qa-code" not in rendered(tmp_path, text)


def test_what_a_run_says_at_a_glance(tmp_path: Path) -> None:
    from qa.pages.wayfinding import at_a_glance

    path = tmp_path / "n.md"
    words = "word " * 221
    path.write_text(f"# T\n\n{words}\n\n## Run it {{ #run }}\n\n``` go\nx x x\n```\n")
    page = pages.read(path, "en", "t/n")
    ran = replace(RESULT, processor="Intel(R) Xeon(R) Gold 6338 CPU @ 2.00GHz, 2 cores")
    line = at_a_glance(page, NOTEBOOK, ran, "../")[2]
    assert "Ran on 2026-01-02 on Intel Xeon Gold 6338 · 4 cells · 2 min read" in line
    assert '<a href="../runs/t/n/n.ipynb" download>' in line
    assert "](#run)" in line and "](#trade-offs)" not in line
