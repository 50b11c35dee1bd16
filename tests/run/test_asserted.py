"""Which of the values that a page shows no assert names."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.run.asserted import unasserted
from qa.run.notebook import Cell, Notebook


def found(*sources: str) -> list[str]:
    """Of x, in a notebook of these cells."""
    cells = [Cell("code", source, 1, str(number)) for number, source in enumerate(sources)]
    return unasserted(Notebook("t/n", Path("n.py"), "", tuple(cells)), ["x"])


@pytest.mark.parametrize(
    "source",
    [
        "x = f()\nassert x > 1",
        "x = f()\nassert all(each > x for each in y)",
        "x = f()\ny = x + 1\nassert y > 1",
        "x = f()\ny: int = x\nassert y",
        "x = f()\nwith z:\n    y = x\nassert y",
        "x = f()\nfor y in x:\n    assert y",
        "x = f()\nif z:\n    y = x\nassert y",
        "x = f()\nrows = []\nrows.append(x)\nassert rows",
        "x = f()\nrows = {}\nrows['a'] = x\nassert rows",
        "x = f()\nassert (y := x)",
        "x = 3",
    ],
)
def test_what_an_assert_names(source: str) -> None:
    assert found(source) == []


@pytest.mark.parametrize(
    "source",
    [
        "x = f()",
        "y = f()\nx = y + 1\nassert y",
        "x = f()\ny = x\nz = y\nassert z",
        "x = f()\ndef check(x):\n    assert x",
        "x = f()\ny = 'x'\nassert y",
    ],
)
def test_what_none_names(source: str) -> None:
    assert found(source) == ["x"]


def test_an_assert_may_stand_in_another_cell() -> None:
    assert found("x = f()", "y = x", "assert y") == []
