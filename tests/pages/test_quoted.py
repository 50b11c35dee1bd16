"""Answers of other pages, quoted where they do not stand."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.check import quoted as checks
from qa.pages import page as pages
from qa.pages import quoted
from qa.pages.page import Page
from qa.run.store import CellResult, Result

ANSWER = """\
---
sources: [A01]
---
# Why?

!!! abstract "In short"

    - **One**: [elsewhere](https://x.example/a_(b)), {{ n }}.
    - [Here](#run), [a cell](other.md#cell-x) and [a term](../terms.md#kv).

## Run { #run }

``` cell name="curve"
Falls `fast` to {{ n }}.
```

``` cell name="text"
Prints.
```
"""
FIGURE = {"output_type": "display_data", "data": {"image/svg+xml": "<svg></svg>"}}
CELLS = {"curve": CellResult(1, [FIGURE]), "text": CellResult(1, [])}
RESULT = Result("a/why", CELLS, {"n": 3}, {}, 1, 1, 1, "2026-01-01", "3", "s", "p", {})


def read(folder: Path, name: str, text: str) -> Page:
    path = folder / f"{name}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return pages.read(path, "en", name)


def home(folder: Path, header: str) -> Page:
    return read(folder, "index", f"# Home\n\n``` answers {header}\n```\n")


def test_a_lead_is_quoted_in_full_with_its_numbers_and_its_links_lead_where_they_led(
    tmp_path: Path,
) -> None:
    page = home(tmp_path, 'pages="a/why" figure="a/why#curve"')
    others = {"a/why": read(tmp_path, "a/why", ANSWER)}
    ran = {"a/why": RESULT}
    text = "\n".join(quoted.answers(page, page.fences[0], others, ran, lambda _: RESULT.values, ""))
    assert "[Why?](a/why.md)" in text
    assert "\n- **One**: [elsewhere](https://x.example/a_(b)), 3.\n" in text
    assert "[Here](a/why.md#run), [a cell](a/other.md#cell-x) and [a term](terms.md#kv)." in text
    assert 'src="runs/a/why/curve-1-en-light.svg#only-light" alt="Falls fast to 3."' in text
    assert "Prints" not in text and "## Run" not in text


def test_what_has_not_run_is_left_out(tmp_path: Path) -> None:
    page = home(tmp_path, 'pages="a/why"')
    others = {"a/why": read(tmp_path, "a/why", ANSWER)}
    assert "Why" not in "".join(quoted.answers(page, page.fences[0], others, {}, lambda _: {}, ""))


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('pages="a/wy"', '"a/wy" is no page that answers a question; did you mean "a/why"?'),
        ("", '"" is no page that answers a question'),
        ('pages="index"', '"index" is no page that answers a question'),
        ('pages="a/bare"', 'bare.md has no lead to quote: a box !!! abstract "..." with text'),
        ('pages="a/why" figure="curve"', "the figure is one of the pages quoted: "),
        ('pages="a/why" figure="a/bare#curve"', "the figure is one of the pages quoted: "),
        ('pages="a/why" figure="a/why#curves"', 'why.md shows no cell "curves"'),
        ('pages="a/why" figure="a/why#text"', 'cell "text" of a/why shows no figure'),
    ],
)
def test_what_cannot_be_quoted_is_a_fault(tmp_path: Path, header: str, reason: str) -> None:
    page = home(tmp_path, header)
    bare = ANSWER.replace("abstract", "note")
    others = {"a/why": ANSWER, "a/bare": bare}
    found = {name: {"en": read(tmp_path, name, text)} for name, text in others.items()}
    (fault,) = checks.check(page, found | {"index": {"en": page}}, {"a/why": RESULT})
    assert fault.reason.startswith(reason) and (fault.line, fault.code) == (3, "quoted")


def test_what_can_be_quoted_is_none(tmp_path: Path) -> None:
    page = home(tmp_path, 'pages="a/why" figure="a/why#curve"')
    found = {"a/why": {"en": read(tmp_path, "a/why", ANSWER)}}
    assert not list(checks.check(page, found, {"a/why": RESULT}))
