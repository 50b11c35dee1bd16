"""Cells behave as in Jupyter: magics, output in its order, await, figures, values, processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from qa.failures import Failures
from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.report import run
from qa.run.store import Result

Runner = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    server = LocalServer(tmp_path_factory.mktemp("cache"))
    yield server
    server.close()


@pytest.fixture
def cells(server: LocalServer, tmp_path: Path) -> Runner:
    """Runs sources as the cells `c0`, `c1`, ... of one notebook."""

    def run_cells(*sources: str) -> Result:
        path = tmp_path / "notebooks" / "training" / "cells.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [f'# %% name="c{n}"\n{source}\n' for n, source in enumerate(sources)]
        path.write_text("\n".join([*texts, '# %% name="end"\nassert True\n']))
        return run(notebooks.read(path), server)

    return run_cells


def shown(result: Result, cell: str = "c0") -> list[Any]:
    """Text of streams, and the data of displays."""
    return [output.get("text") or output["data"] for output in result.cells[cell].outputs]


def test_output_keeps_its_order(cells: Runner) -> None:
    code = """
import subprocess, sys
from IPython.display import display
print("one")
subprocess.run(["echo", "two"])
print("three", file=sys.stderr)
display({"text/plain": "four"}, raw=True)
print("five", end="")
"six"
"""
    assert shown(cells(code)) == [
        "one\ntwo\nthree\n",
        {"text/plain": "four"},
        "five",
        {"text/plain": "'six'"},
    ]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("6 * 7", [{"text/plain": "42"}]),
        ("6 * 7;", []),
        ("None", []),
        ("x = 6 * 7", []),
        ("for x in (1, 2):\n    x", []),
        ("!echo {6 * 7}", ["42\n"]),
        ("!echo $HOME", ["/tmp/home\n"]),
        ("n = 3\n!echo $n", ["3\n"]),
        ("lines = !printf 'a\\nb\\n'\nlines[1]", [{"text/plain": "'b'"}]),
        ("%%bash\nfor n in 1 2; do echo $n; done", ["1\n2\n"]),
        ("%%writefile a.txt\nhello", ["Writing a.txt\n"]),
        ("%pwd", [{"text/plain": "'/tmp/work'"}]),
        ("import asyncio\nawait asyncio.sleep(0, 'slept')", [{"text/plain": "'slept'"}]),
        ("import pandas as pd\nlen(pd.DataFrame())", [{"text/plain": "0"}]),
        ("import os\nos.getuid()", [{"text/plain": "1000"}]),
    ],
)
def test_cell(cells: Runner, code: str, expected: list[Any]) -> None:
    assert shown(cells(code)) == expected


def test_variables_and_tasks_live_from_cell_to_cell(cells: Runner) -> None:
    result = cells(
        "import asyncio\nqueue = asyncio.Queue()\ntask = asyncio.create_task(queue.get())",
        "await queue.put(42)",
        "answer = await task",
    )
    assert result.values == {"answer": 42}


def test_a_loop_is_already_running_as_in_jupyter(cells: Runner) -> None:
    with pytest.raises(Failures, match="cannot be called from a running event loop"):
        cells("import asyncio\nwork = asyncio.sleep(0)\nasyncio.run(work)")


def test_figures_are_drawn_at_the_end_of_their_cell(cells: Runner) -> None:
    result = cells("import matplotlib.pyplot as plt\nplt.plot([1, 2]);", "plt.plot([2, 1]);")
    for cell in ("c0", "c1"):
        (figure,) = shown(result, cell)
        assert figure["image/svg+xml"].startswith("<svg")


def test_source_and_pickles_of_what_a_cell_defines(cells: Runner) -> None:
    code = """
import inspect
from multiprocessing import get_context

def double(x):
    return 2 * x  # twice

with get_context("fork").Pool(2) as pool:
    doubled = sum(pool.map(double, range(4)))
source = inspect.getsource(double)
"""
    values = cells(code).values
    assert values["doubled"] == 12
    assert values["source"] == "def double(x):\n    return 2 * x  # twice\n"


def test_each_run_has_its_own_randomness_modules_and_folder(cells: Runner) -> None:
    code = """
import os, random, sys
import numpy as np
drawn = f"{random.random()} {np.random.rand()}"
left = " ".join(sorted(os.listdir(".")))
assert "polluted" not in sys.modules
sys.modules["polluted"] = sys
open("left.txt", "w").write("left")
"""
    first, second = cells(code), cells(code)
    assert first.values["drawn"] != second.values["drawn"]
    assert first.values["left"] == second.values["left"] == ""


def test_what_must_raise_is_shown(cells: Runner, tmp_path: Path) -> None:
    result = cells("x = 1", "x = 2").cells
    assert result["c0"].outputs == []
    with pytest.raises(Failures) as caught:
        cells("def f():\n    raise KeyError('k')", "f()")
    (failure,) = caught.value.failures
    assert (failure.line, failure.reason) == (3, "cell \"c1\": KeyError: 'k'")


def test_input_is_not_waited_for(cells: Runner) -> None:
    with pytest.raises(Failures, match="EOFError"):
        cells("name = input()")


def test_processor_time_and_memory_are_measured(cells: Runner) -> None:
    burn = """
import subprocess, sys, time
import numpy as np
block = np.ones(50 << 20)
code = "import time\\nwhile time.process_time() < 0.5: pass"
subprocess.run([sys.executable, "-c", code], check=True)
time.sleep(0.3)
"""
    result = cells(burn)
    assert 0.5 <= result.processor_seconds < result.seconds
    assert 390 << 20 < result.peak_memory_bytes < 600 << 20
