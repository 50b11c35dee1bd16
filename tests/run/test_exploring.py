"""Faults that are planted all over a notebook: what they are, and which are noticed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from qa.run import exploring
from qa.run import notebook as notebooks

NOTEBOOK = """\
# %% name="one"
import helper

total = helper.add(2, 3)
unnoticed = 7 - 2
print(total)

# %% name="two"
assert total == 5, 1 + 1
"""
HELPER = "def add(a, b):\n    return a + b\n"


def book(folder: Path, text: str = NOTEBOOK) -> notebooks.Notebook:
    path = folder / "notebooks/training/sum.py"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    path.with_name("helper.py").write_text(HELPER)
    return notebooks.read(path)


def test_survivors_are_listed_with_their_lines(tmp_path: Path) -> None:
    sums = book(tmp_path)
    planted, alive = exploring.explore(sums, tmp_path / "cache")
    assert planted == 6
    said = {(*exploring.where(sums, each), each.was, each.text) for each in alive}
    assert said == {
        (sums.path, 5, "7 - 2", "((7) + (2))"),
        (sums.path, 5, "7", "14"),
        (sums.path, 5, "2", "4"),
    }


CHANGES = [
    ("x = a < b", "x = (a >= b)"),
    ("x = a is None", "x = (a is not None)"),
    ("x = not True", "x = not False"),
    ("x = 0", "x = 1"),
    ("x = 1.5", "x = 3.0"),
    ("x.append(y)\nz", "pass\nz"),
    ("x += y", "pass"),
    ("a, b = f()", "a, b = f(); b = a"),
    ("if x:\n    y", "if not (x):\n    y"),
    ("x = (a\n     + b)", "x = (((a) - (b)))\n"),
    ("x = '大', a < b", "x = '大', (a >= b)"),
]


@pytest.mark.parametrize(("source", "becomes"), CHANGES)
def test_what_is_planted(tmp_path: Path, source: str, becomes: str) -> None:
    sums = book(tmp_path, f'# %% name="c"\n{source}\n\n# %% name="end"\nassert x\n')
    texts = [exploring.with_fault(sums, each).code[0].source for each in exploring.faults(sums)]
    assert becomes in texts
    for text in texts:
        ast.parse(text)
        assert text.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 < 2",
        "import math",
        "ax.plot(1, 2)",
        "fig, ax = plt.subplots(2)",
        "x = 'text'",
        "print(x)",
        "%time x = 1 + 2",
    ],
)
def test_what_is_left_alone(tmp_path: Path, source: str) -> None:
    sums = book(tmp_path, f'# %% name="c"\n{source}\n\n# %% name="end"\nassert x\n')
    (tmp_path / "notebooks/training/helper.py").unlink()
    assert list(exploring.faults(sums)) == []


def test_of_many_the_same_are_drawn_again(tmp_path: Path) -> None:
    sums = book(tmp_path)
    few, _ = exploring.explore(sums, tmp_path / "cache", most=2)
    assert few == 2
    before = len(list((tmp_path / "cache/mutants").iterdir()))
    exploring.explore(sums, tmp_path / "cache", most=2)
    assert len(list((tmp_path / "cache/mutants").iterdir())) == before == 2
