"""Runs on a Dask cluster: a notebook travels with its files, its result or failures come back.

Workers need this project's environment; one with another refuses, because the result would be filed
under a key that says otherwise.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from qa.failures import Failure, Failures
from qa.run import runs
from qa.run.key import key_parts
from qa.run.local import local_server
from qa.run.notebook import Notebook
from qa.run.report import run
from qa.run.store import Result


@contextmanager
def cluster_executor(
    address: str, allowed: bool = False
) -> Iterator[Callable[[Notebook], Future[Result]]]:
    """`address` is that of a scheduler, tcp://host:port. Raises Failures if none answers.

    `allowed`: whether a worker that cannot isolate may run examples all the same.
    """
    try:
        from distributed import Client
    except ImportError as error:
        reason = "QA_SCHEDULER needs the extra 'cluster': pip install -e '.[cluster]'"
        raise Failures([Failure(Path("pyproject.toml"), 1, reason, code="scheduler")]) from error
    try:
        client = Client(address, timeout=10)
    except (OSError, ValueError) as error:
        reason = f"QA_SCHEDULER={address}: no Dask scheduler answers there"
        raise Failures([Failure(Path("pyproject.toml"), 1, reason, code="scheduler")]) from error
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield lambda book: executor.submit(run_on_worker, book, key_parts(book), allowed)
        except BaseException:
            executor.shutdown(wait=False)
            raise


def run_on_worker(notebook: Notebook, parts: dict[str, Any], allowed: bool = False) -> Result:
    """`parts` are those of the key on the builder's machine. Raises Failures."""
    own = key_parts(notebook)
    if differing := _differences(parts, own):
        reason = f"a worker of the cluster differs: {', '.join(differing)}"
        raise Failures([Failure(notebook.path, 1, reason, code="worker-differs")])
    server = local_server(_folder())
    return run(notebook, server, runs.must_isolate(server, allowed))


@cache
def _folder() -> Path:
    """What a worker process keeps for its own runs, such as Matplotlib's list of fonts."""
    return Path(tempfile.mkdtemp(prefix="qa-worker-"))


def _differences(theirs: Any, own: Any, name: str = "") -> list[str]:
    """Names of the parts that differ, and what they are there and here."""
    if isinstance(theirs, dict) and isinstance(own, dict):
        return [
            difference
            for key in sorted(theirs.keys() | own.keys())
            for difference in _differences(theirs.get(key), own.get(key), key)
        ]
    return [] if theirs == own else [f"{name} {own} instead of {theirs}"]
