"""What is planted must be caught by the cell that says so, and by nothing before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import mutants
from qa.run import notebook as notebooks

NOTEBOOK = """\
# %% name="one"
import helper

total = helper.add(2, 3)
limit = 10

# %% name="two"
assert total == 5
assert limit > total, "room is left"

# %% tags=["raises-exception"] raises="ZeroDivisionError" name="three"
1 / (limit - 10)

# %% name="four"
assert limit * 2 == 20
"""
HELPER = "def add(a, b):\n    return a + b\n"


def book(folder: Path, *records: str, more: str = "") -> notebooks.Notebook:
    path = folder / "notebooks/training/sum.py"
    path.parent.mkdir(parents=True)
    path.write_text(NOTEBOOK)
    path.with_name("helper.py").write_text(HELPER)
    path.with_suffix("").mkdir()
    (path.with_suffix("") / notebooks.MUTANTS).write_text("\n".join([*records, more]))
    return notebooks.read(path)


def mutant(find: str, becomes: str, caught_by: str, **more: str) -> str:
    values = {"find": find, "replace": becomes, "caught_by": caught_by}
    values |= {"claim": "it adds", "anchor": "run"} | more
    return "[[mutant]]\n" + "".join(f"{key} = '''{value}'''\n" for key, value in values.items())


def found(folder: Path, *records: str) -> list[str]:
    sums = book(folder, *records)
    planted = [(sums.name, each) for each in mutants.read(sums)]
    failures = mutants.run_all({sums.name: sums}, planted, folder / "cache")
    return [f"{failure.line} {failure.code}" for failure in failures]


@pytest.mark.parametrize(
    "record",
    [
        mutant("helper.add(2, 3)", "helper.add(2, 4)", "two"),
        mutant("return a + b", "return a - b", "two", file="helper.py"),
        mutant("limit = 10", "limit = 5", "two"),
        mutant("limit - 10", "limit - 11", "three"),
    ],
)
def test_what_is_caught_where_it_says(tmp_path: Path, record: str) -> None:
    assert found(tmp_path, record) == []


@pytest.mark.parametrize(
    ("record", "code"),
    [
        (mutant("limit = 10", "limit = 11", "two"), "mutant-survives"),
        (mutant("limit = 10", "limit = 5", "four"), "mutant-elsewhere"),
        (mutant("limit = 10", "limit = ten", "two"), "mutant-breaks"),
        (mutant("limit = 10", "limit = (", "two"), "mutant-breaks"),
    ],
)
def test_what_is_not(tmp_path: Path, record: str, code: str) -> None:
    assert found(tmp_path, record) == [f"1 {code}"]


def test_only_what_was_caught_is_remembered(tmp_path: Path) -> None:
    caught = mutant("limit = 10", "limit = 5", "two")
    survives = mutant("limit = 10", "limit = 11", "two")
    assert len(found(tmp_path, caught, survives)) == 1
    assert len(list((tmp_path / "cache/mutants").iterdir())) == 1


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (mutant("limit", "lines", "two"), "stands 4 times"),
        (mutant("nothing", "else", "two"), "stands 0 times"),
        (mutant(" ", "  ", "two"), "stands 0 times"),
        (mutant("a + b", "a", "two", file="other.py"), "no file other.py"),
        (mutant("a + b", "a", "to", file="helper.py"), 'no cell "to"; did you mean "two"'),
        (mutant("limit = 10", "limit = 10", "two"), "by something else on that line"),
        (mutant("limit = 10", "limit = 9\nlimit -= 1", "two"), "by something else on that line"),
        (mutant("total == 5", "total == 6", "two"), "changes an assert"),
        (mutant("limit = 10", "limit = 5", "two", mood="bad"), "is not [[mutant]] with"),
        ("[[mutant]]\nfind = 1\n", "is not [[mutant]] with"),
        ("[[mutants]]\nfind = 'x'\n", "holds nothing but"),
        ("mutant = 3\n", "holds nothing but"),
        ("x = \n", "is no TOML"),
    ],
)
def test_what_is_no_mutant(tmp_path: Path, record: str, said: str) -> None:
    with pytest.raises(Failures) as raised:
        mutants.read(book(tmp_path, record))
    assert said in raised.value.failures[0].reason


def test_a_fault_stands_where_its_mutant_begins(tmp_path: Path) -> None:
    good = mutant("limit = 10", "limit = 5", "two")
    with pytest.raises(Failures) as raised:
        mutants.read(book(tmp_path, good, mutant("nothing", "else", "two")))
    assert [failure.line for failure in raised.value.failures] == [good.count("\n") + 2]


def test_mutants_are_no_part_of_what_runs(tmp_path: Path) -> None:
    assert notebooks.MUTANTS not in book(tmp_path, mutant("limit = 10", "limit = 5", "two")).files


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    sums = book(tmp_path)
    (sums.path.with_suffix("") / notebooks.MUTANTS).unlink()
    assert mutants.read(sums) == []
