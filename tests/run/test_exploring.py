"""Which faults that nobody wrote are noticed, and what is kept of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import exploring
from qa.run import notebook as notebooks
from qa.run.exploring import Proof

NOTEBOOK = """\
# %% name="one"
import helper

total = helper.add(2, 3)
unnoticed = 7 - 2

# %% name="two"
assert total == 5, 1 + 1
"""
HELPER = "def add(a, b):\n    return a + b\n"
SURVIVORS = ["sum.py:5: 7 - 2 -> ((7) + (2))", "sum.py:5: 7 -> 14", "sum.py:5: 2 -> 4"]


def book(folder: Path, text: str = NOTEBOOK) -> notebooks.Notebook:
    path = folder / "notebooks/training/sum.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.with_name("helper.py").write_text(HELPER)
    return notebooks.read(path)


def explored(folder: Path) -> Path:
    """The file that is kept of the notebook as it is first."""
    sums = book(folder)
    planted, alive = exploring.explore(sums, folder / "cache")
    assert (planted, exploring.keep(sums, planted, alive)) == (6, SURVIVORS)
    return folder / "notebooks/training/sum" / notebooks.EXPLORED


def test_survivors_are_kept_with_their_lines(tmp_path: Path) -> None:
    text = explored(tmp_path).read_text()
    assert "planted = 6\ncaught = 3\nsurvivors = [\n" in text
    assert '    "sum.py:5: 7 -> 14",\n' in text


def test_what_is_kept_holds_for_this_version_alone(tmp_path: Path) -> None:
    explored(tmp_path)
    assert exploring.proof(book(tmp_path), 2) == Proof(2, 6, 3)
    assert exploring.proof(book(tmp_path, NOTEBOOK + "\n# %% [markdown]\n# Said.\n"), 2).planted
    assert exploring.proof(book(tmp_path, NOTEBOOK.replace("7", "8")), 2) == Proof(2)
    path = tmp_path / "notebooks/training/helper.py"
    path.write_text(HELPER.replace("a + b", "b + a"))
    assert exploring.proof(notebooks.read(path.with_name("sum.py")), 2) == Proof(2)


@pytest.mark.parametrize("text", ["", "planted = 6", 'version = "', "version = 1\nplanted = 2"])
def test_what_is_none_of_its_files_says_nothing(tmp_path: Path, text: str) -> None:
    explored(tmp_path).write_text(text)
    assert exploring.proof(book(tmp_path), 0) == Proof()


def test_what_is_kept_is_no_part_of_what_runs(tmp_path: Path) -> None:
    assert explored(tmp_path).name not in book(tmp_path).files


def test_a_notebook_that_fails_is_not_explored(tmp_path: Path) -> None:
    with pytest.raises(Failures) as raised:
        exploring.explore(book(tmp_path, NOTEBOOK.replace("== 5", "== 6")), tmp_path / "cache")
    assert [failure.code for failure in raised.value.failures] == ["failed-assertion"]


def test_of_many_the_same_are_drawn_again(tmp_path: Path) -> None:
    sums = book(tmp_path)
    few, _ = exploring.explore(sums, tmp_path / "cache", most=2)
    assert few == 2
    before = len(list((tmp_path / "cache/mutants").iterdir()))
    exploring.explore(sums, tmp_path / "cache", most=2)
    assert len(list((tmp_path / "cache/mutants").iterdir())) == before == 2
