"""What is planted must be caught by the cell that says so, and by nothing before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.failures import Failure, Failures
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


def book(folder: Path, *records: str, code: str = "") -> notebooks.Notebook:
    path = folder / "notebooks/training/sum.py"
    path.with_suffix("").mkdir(parents=True, exist_ok=True)
    path.write_text(NOTEBOOK + code)
    path.with_name("helper.py").write_text(HELPER)
    (path.with_suffix("") / notebooks.MUTANTS).write_text("\n".join(records))
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


def test_outcomes_are_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    records = [mutant("limit = 10", f"limit = {number}", "two") for number in (5, 11)]
    first = found(tmp_path, *records)
    monkeypatch.setattr("qa.run.trials.run", None)
    assert found(tmp_path, *records) == first == ["8 mutant-survives"]


def test_what_a_busy_machine_did_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = mutant("limit = 10", "limit = 5", "two")

    def run_out_of_time(*_: object) -> None:
        raise Failures([Failure(tmp_path, 1, "time budget", code="time-budget", cell="two")])

    with monkeypatch.context() as busy:
        busy.setattr("qa.run.trials.run", run_out_of_time)
        assert found(tmp_path, record) == ["1 mutant-breaks"]
    assert found(tmp_path, record) == []


def test_a_notebook_that_fails_proves_nothing(tmp_path: Path) -> None:
    sums = book(tmp_path, mutant("limit = 10", "limit = 5", "two"), code="assert 1 > 2")
    planted = [(sums.name, each) for each in mutants.read(sums)]
    with pytest.raises(Failures) as raised:
        mutants.run_all({sums.name: sums}, planted, tmp_path / "cache")
    assert [failure.code for failure in raised.value.failures] == ["failed-assertion"]


def test_modules_lent_to_all_can_be_changed(tmp_path: Path) -> None:
    where = {"file": "local_postgres.py"}
    record = mutant("START_SECONDS = 30", "START_SECONDS = 0", "two", **where)
    sums = book(tmp_path, record, code="import local_postgres")
    assert [each.file for each in mutants.read(sums)] == ["local_postgres.py"]


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
