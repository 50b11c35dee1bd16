"""Runs of notebooks that were broken on purpose: what each finds wrong, kept by content."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from qa.failures import Failures
from qa.memo import Memo
from qa.run.key import result_key
from qa.run.local import local_server
from qa.run.notebook import Notebook
from qa.run.report import run
from qa.run.runs import may_go_unshielded, must_isolate

FROM_OUTSIDE = {"sandbox", "time-budget"}
"""Codes of what may be due to the machine: a run was ended, or was slow beside others."""


class Found(NamedTuple):
    """A fault that a run has found; `text` is the whole of it."""

    code: str
    cell: str
    text: str


def try_all(books: Iterable[Notebook], folder: Path) -> list[list[Found]]:
    """What the run of each finds, in the order of `books`: nothing if it passes.

    As many run at once as there are cores, each within the limits of any example. `folder` is the
    cache.
    """
    memo, server = Memo(folder / "mutants"), local_server(folder)
    isolate = must_isolate(server, may_go_unshielded())

    def find(book: Notebook) -> list[Found]:
        try:
            run(book, server, isolate)
        except Failures as error:
            if any(failure.code in FROM_OUTSIDE for failure in error.failures):
                raise  # and what is raised is not remembered
            return _found(error)
        return []

    def recall(book: Notebook) -> list[Found]:
        try:
            known = memo.get("found by a run", result_key(book, isolate), lambda: find(book))
        except Failures as error:
            return _found(error)
        return [Found(*each) for each in known]

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        try:
            return list(threads.map(recall, books))
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            server.stop_runs()
            raise


def _found(error: Failures) -> list[Found]:
    return [Found(each.code, each.cell, str(each)) for each in error.failures]
