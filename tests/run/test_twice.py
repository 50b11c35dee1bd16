"""What is not the same when an example runs again is found at its cell."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from qa.run import notebook as notebooks
from qa.run.runs import run_all
from qa.run.store import CellResult, Result
from qa.run.twice import differences, run_again
from tests.run.test_store import RESULT


def found(folder: Path, *cells: str) -> list[str]:
    """Cells, each with its tags on the first line, run twice; the faults, by line."""
    path = folder / "notebooks" / "training" / "twice.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [f'# %% name="c{n}" {text}\n' for n, text in enumerate(cells)]
    path.write_text("\n".join([*texts, '# %% name="end"\nassert globals()\n']))
    book = notebooks.read(path)
    runs = run_all([book], folder / "cache")
    assert not runs.failures
    quoted = {book.name: {"x", "rate", "fast", "last", "same", "own"}}
    failures = run_again([book], runs, folder / "cache", quoted)
    return [f"{failure.line} {failure.detail}" for failure in failures]


REPEATABLE = [
    "\nimport random\nrandom.seed(1)\nx = random.random()\nx",
    "\nimport numpy as np\nx = float(np.random.default_rng(0).normal(size=10**5).sum())",
    "\nimport os\nfiles = sorted(os.listdir('.'))\nprint(os.getcwd(), os.getpid(), files)",
    "\nx = hash('text')\nprint({'b', 'a', 'c'})",
]
NOT_REPEATABLE = [
    ("\nimport time\nx = time.time()", r"^2 x: [\d.]+, then [\d.]+$"),
    ("\nfrom datetime import datetime\nprint(datetime.now())", r"^2 @@ "),
    ("\nimport random\nx = random.random()", r"^2 x: "),
    ("\nimport numpy as np\nprint(np.random.rand())", r"^2 @@ "),
    ("\nimport os\nx = os.urandom(4).hex()", r"^2 x: "),
    ("\nimport uuid\nx = str(uuid.uuid4())", r"^2 x: "),
    ("\nx = id(object()) % 2**40", r"^2 x: "),
    ("\nclass A:\n    pass\n\nx = hash(A())", r"^2 x: "),
    ("\nimport os\nx = os.cpu_count()", r"^2 x: "),
    ("\nimport os\nprint(len(os.sched_getaffinity(0)))", r"^2 @@ "),
    ("\nimport multiprocessing\nx = multiprocessing.cpu_count()", r"^2 x: "),
    ("\nimport tempfile\nx = tempfile.mkdtemp()", r"^2 x: "),
]


@pytest.mark.parametrize("code", REPEATABLE)
def test_what_is_repeatable_passes(tmp_path: Path, code: str) -> None:
    assert found(tmp_path, code) == []


@pytest.mark.parametrize(("code", "expected"), NOT_REPEATABLE)
def test_what_is_not_is_found(tmp_path: Path, code: str, expected: str) -> None:
    assert re.search(expected, "\n".join(found(tmp_path, code)))


def test_volatile_cells_and_what_comes_from_them_may_differ(tmp_path: Path) -> None:
    measure = ' tags=["volatile"]\nimport time\nbegan = time.time()\nparts = []\nprint(began)'
    derived = (
        "\nrate = 1 / began\nparts.append(rate)\nfast = parts[0]\n"
        "def fixed():\n    return began\n\nlast = fixed()\nsame = 42"
    )
    assert found(tmp_path, measure, derived) == []
    (fault,) = found(tmp_path, measure, "\nrate = 1 / began\nprint(rate)")
    assert fault.startswith("8 @@ "), "what a cell shows needs a tag of its own"
    (fault,) = found(tmp_path, measure, "\nimport time\nown = time.time()")
    assert fault.startswith("8 own: "), "it does not come from the volatile cell"
    (fault,) = found(tmp_path, measure, "\nbegan = 1\nimport random\nx = began * random.random()")
    assert fault.startswith("8 x: "), "another value under the same name"


def test_an_example_that_fails_the_second_time(tmp_path: Path) -> None:
    code = f"\nimport os\nassert os.cpu_count() == {os.cpu_count()}"
    assert found(tmp_path, code) == ["3 "]


def test_all_differences_of_a_cell_are_one_failure(tmp_path: Path) -> None:
    path = tmp_path / "notebooks" / "training" / "sum.py"
    path.parent.mkdir(parents=True)
    path.write_text('# %% name="sum"\nshare = 0.1\nok = True\nassert ok\n')
    book = notebooks.read(path)
    first = replace(RESULT, values={"share": 0.1, "ok": True}, kinds={})
    close = replace(first, values={"share": 0.1 + 1e-15, "ok": True})
    quoted = {"share", "ok"}
    assert differences(book, first, first, quoted) == []
    assert differences(book, first, close, quoted) == []

    def shows(text: str, **values: object) -> Result:
        outputs = [{"output_type": "stream", "name": "stdout", "text": text}]
        return replace(first, cells={"sum": CellResult(1.0, outputs)}, values=values)  # type: ignore[arg-type]

    (failure,) = differences(book, first, shows("x", share=0.2, ok=1), quoted)
    assert (failure.path, failure.line, failure.code) == (path, 2, "not-the-same-twice")
    assert "ok: True, then 1\nshare: 0.1, then 0.2" in failure.detail
    assert differences(book, shows("x", share=0.1), shows("x", share=0.2), set()) == []
