"""Runs on a real Dask cluster of several processes on this machine."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import cluster, key
from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.runs import run_all
from qa.run.store import Result
from tests import project

WORKERS = 3


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler with workers, each a process as `dask worker` starts it."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    commands = [["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard"]]
    commands += [["worker", "--nthreads", "1", "--no-dashboard"] for _ in range(WORKERS)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "dask", *command, "--scheduler-file", str(file)],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for command in commands
    ]
    from distributed import Client

    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with Client(scheduler_file=str(file), timeout=60) as client:
        client.wait_for_workers(WORKERS, timeout=60)
        yield client.scheduler.address
        client.shutdown()
    for process in processes:
        process.terminate()
        process.wait(20)


def write(folder: Path, name: str, text: str) -> notebooks.Notebook:
    path = folder / "notebooks" / "training" / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return notebooks.read(path)


def most_at_once(results: Iterable[Result]) -> int:
    """Of runs that note when they `began` and `ended`, on one clock."""
    times = [(float(result.values["began"]), float(result.values["ended"])) for result in results]
    return max(sum(began <= at < ended for began, ended in times) for at, _ in times)


def test_files_travel_and_results_and_failures_come_back(
    scheduler: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "notebooks/training/reads").mkdir(parents=True)
    (tmp_path / "notebooks/training/reads/data.csv").write_text("41\n1\n")
    reads = write(
        tmp_path,
        "reads",
        '# %% name="sum"\nimport os\nimport time\n\n'
        "total = sum(map(int, open('data.csv')))\nassert total == 42\ntime.sleep(1)\n",
    )
    fails = write(tmp_path, "fails", '# %% name="sum"\ntotal = 1\n\nassert total == 2\n')
    code = (
        '# %% name="a"\nimport time\n\nbegan = time.monotonic()\ntime.sleep(2)\n'
        "ended = time.monotonic()\nx = {}\nassert x + 1\n"
    )
    more = [write(tmp_path, f"n{number}", code.format(number)) for number in range(5)]
    monkeypatch.setenv("QA_SCHEDULER", scheduler)
    runs = run_all([reads, fails, *more], tmp_path / "cache")
    assert runs.results["training/reads"].values["total"] == 42
    assert [runs.results[f"training/n{i}"].values["x"] for i in range(5)] == list(range(5))
    (failure,) = runs.failures
    assert (failure.path, failure.line) == (fails.path, 4)
    assert failure.reason == 'cell "sum": AssertionError: assert total == 2'
    assert most_at_once(runs.results[f"training/n{number}"] for number in range(5)) == WORKERS
    assert run_all([reads], tmp_path / "cache").ran == set()


def test_a_worker_with_another_environment_refuses(scheduler: str, tmp_path: Path) -> None:
    book = write(tmp_path, "sum", '# %% name="sum"\ntotal = 2\nassert total == 2\n')
    parts = key.key_parts(book) | {"environment": {"python": "3.99.0"}}
    with pytest.raises(Failures) as caught, cluster.cluster_executor(scheduler):
        cluster.run_on_worker(book, parts)
    (failure,) = caught.value.failures
    assert failure.reason.startswith("a worker of the cluster differs: ")
    assert f"python {sys.version.split()[0]} instead of 3.99.0" in failure.reason


def test_a_worker_that_cannot_isolate_refuses_unless_that_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = write(tmp_path, "sum", '# %% name="sum"\ntotal = 2\nassert total == 2\n')
    monkeypatch.setattr(LocalServer, "isolation_problem", lambda _: "forbidden")
    with pytest.raises(Failures, match="examples cannot be isolated here: forbidden"):
        cluster.run_on_worker(book, key.key_parts(book))
    result = cluster.run_on_worker(book, key.key_parts(book), allowed=True)
    assert not result.isolated


def test_a_scheduler_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = project.make(tmp_path / "project")
    monkeypatch.setenv("QA_SCHEDULER", "tcp://127.0.0.1:1")
    done = sample.build()
    assert done.returncode == 1
    assert "QA_SCHEDULER=tcp://127.0.0.1:1: no Dask scheduler answers there" in done.stderr
    assert os.environ["QA_SCHEDULER"]
