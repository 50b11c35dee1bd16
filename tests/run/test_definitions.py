"""Which cell computed a value, for each statement that can bind a name."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.run.definitions import definitions
from qa.run.notebook import Cell, Notebook


def of(*sources: str) -> dict[str, str]:
    """Of cells named 0, 1, ..."""
    cells = [Cell("code", source, 1, str(number)) for number, source in enumerate(sources)]
    return definitions(Notebook("t/n", Path("n.py"), "", tuple(cells)))


@pytest.mark.parametrize(
    "source",
    [
        "x = 1",
        "x: int = 1",
        "x += 1",
        "x = y = 1",
        "a, (b, *x) = 1, (2, 3)",
        "[a, x] = 1, 2",
        "for x in range(3): pass",
        "for a, x in []: pass",
        "with open('f') as x: pass",
        "with open('f') as (a, x): pass",
        "if (x := 1): pass",
        "print(x := 1)",
        "[x := n for n in range(3)]",
        "if True:\n    x = 1",
        "try:\n    x = 1\nfinally:\n    pass",
        "while True:\n    x = 1\n    break",
        "match 1:\n    case x: pass",
        "match {}:\n    case {'k': 1, **x}: pass",
        "import x",
        "import a.b as x",
        "from a import b as x",
        "def x(): pass",
        "class x: pass",
        "def f():\n    global x\n    x = 1\nf()",
        "%%time\nx = 1",
        "x = %who_ls",
        "!ls\nx = 1",
    ],
)
def test_what_binds_a_name(source: str) -> None:
    assert of("x = 0", source, "print(x)")["x"] == "1"


@pytest.mark.parametrize(
    "source",
    [
        "print(x)",
        "x.a = 1",
        "x[0] = 1",
        "x: int",
        "[x for x in range(3)]",
        "{x: y for x, y in []}",
        "def f(x): x = 1",
        "def f():\n    x = 1",
        "class C:\n    x = 1",
        "lambda x: (y := x)",
        "x == 1",
        "import x.y as a",
        "f(x=1)",
    ],
)
def test_what_binds_none(source: str) -> None:
    assert of("x = 0", source)["x"] == "0"
