"""What is known of a notebook's mutants holds for one version, and is doubted in turn."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from qa.run import caught
from qa.run import notebook as notebooks

NOTEBOOK = '# %% name="one"\nimport helper\n\ntotal = helper.two() + 3\nassert total == 5\n'
HELPER = "def two():\n    return 2\n"
MUTANT = """\
[[mutant]]
find = "+ 3"
replace = "+ 4"
claim = "it adds"
anchor = "run"
caught_by = "one"
"""


def book(folder: Path) -> notebooks.Notebook:
    return notebooks.read(folder / "notebooks/training/sum.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "notebooks/training"
    (path / "sum").mkdir(parents=True)
    (path / "sum.py").write_text(NOTEBOOK)
    (path / "helper.py").write_text(HELPER)
    (path / "sum" / notebooks.MUTANTS).write_text(MUTANT)
    caught.keep(book(tmp_path), 1)
    return tmp_path


def test_it_is_known_and_no_part_of_what_runs(folder: Path) -> None:
    assert caught.known(book(folder))
    assert notebooks.CAUGHT not in book(folder).files


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("sum.py", "+ 3", "+ 1 + 2"),
        ("helper.py", "return 2", "return 1 + 1"),
        ("sum/mutants.toml", "+ 4", "+ 5"),
        ("sum/caught.toml", 'version = "', 'version = "0'),
        ("sum/caught.toml", "version", "other"),
        ("sum/caught.toml", "=", ""),
    ],
)
def test_it_holds_for_this_version_alone(folder: Path, file: str, old: str, new: str) -> None:
    path = folder / "notebooks/training" / file
    path.write_text(path.read_text().replace(old, new))
    assert not caught.known(book(folder))


def test_prose_does_not_count(folder: Path) -> None:
    path = folder / "notebooks/training/sum.py"
    path.write_text(NOTEBOOK + "\n# %% [markdown]\n# Said.\n")
    assert caught.known(book(folder))


def test_other_versions_of_packages_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(caught, "with_requirements", lambda _: {"numpy": "0"})
    assert not caught.known(book(folder))


def test_each_day_another_comes_first() -> None:
    names, first = list("abcdef"), datetime.date(2026, 1, 1)
    days = [first + datetime.timedelta(number) for number in range(60)]
    orders = [caught.in_turn(names, day) for day in days]
    assert {order[0] for order in orders} == set(names)
    assert all(sorted(order) == names for order in orders)
