"""Run the notebooks whose results are not in the store, as many at once as there are cores."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from qa.failures import Failure, Failures, fault_in_build
from qa.run import durations
from qa.run.inside.libraries import group_of, libraries_of
from qa.run.key import result_key
from qa.run.local import LocalServer, local_server
from qa.run.notebook import Notebook
from qa.run.protocol import Load
from qa.run.report import run
from qa.run.store import Result, Store

log = logging.getLogger("mkdocs.qa")

WITHOUT_ISOLATION = "QA_WITHOUT_ISOLATION"
"""The variable that as 1 allows what is otherwise refused: to run examples as the builder."""

Submit = Callable[[Notebook], "Future[Result]"]


@dataclass
class Runs:
    """Results by the names of examples; `ran` are the names of those that ran now."""

    results: dict[str, Result] = field(default_factory=dict)
    ran: set[str] = field(default_factory=set)
    failures: list[Failure] = field(default_factory=list)


def warm_up(notebook: Notebook, folder: Path) -> None:
    """Load the libraries of a notebook that will probably run soon, in the background."""
    local_server(folder).start(Load(libraries_of(notebook.mentions.imports))).close()


def run_all(notebooks: Iterable[Notebook], folder: Path) -> Runs:
    """Find or make the result of each notebook; all run even if one fails.

    `folder` is the cache, with the store in it.
    """
    store = Store(folder / "results")
    books = {book.name: book for book in notebooks}
    found = {name: _find(book, store) for name, book in books.items()}
    runs = Runs({name: result for name, result in found.items() if result})
    missing = [book for name, book in books.items() if not found[name]]
    if missing:
        _run_missing(missing, runs, store, folder / "durations.json")
    if unshielded := [name for name, result in runs.results.items() if not result.isolated]:
        _warn(f"results made WITHOUT isolation are used: {', '.join(unshielded)}")
    return runs


def _find(book: Notebook, store: Store) -> Result | None:
    """A result that was made without isolation serves only where that is allowed."""
    ways = (True, False) if may_go_unshielded() else (True,)
    return next(filter(None, (store.get(result_key(book, way)) for way in ways)), None)


def _run_missing(missing: list[Notebook], runs: Runs, store: Store, times: Path) -> None:
    order = _mixed(durations.longest_first(missing, times))
    with _executor(store.folder.parent) as (where, submit):
        log.info(f"Running {len(order)} examples {where} ({len(runs.results)} unchanged)")
        futures = {submit(book): book for book in order}
        for done, future in enumerate(as_completed(futures), 1):
            book = futures[future]
            outcome = _collect(book, future, runs, store)
            log.info(f"  {book.name}: {outcome} ({done} done, {len(order) - done} left)")
    with suppress(OSError):  # it only orders the next build
        durations.note([runs.results[name] for name in runs.ran], times)


def _mixed(order: list[Notebook]) -> list[Notebook]:
    """While the first waits for its libraries, one that needs others can already run."""
    first = _group(order[0])
    others = [book for book in order if _group(book) != first]
    begin = [order[0], *others[:1]]
    return begin + [book for book in order if book not in begin]


def _group(book: Notebook) -> str:
    return group_of(libraries_of(book.mentions.imports))


def _collect(book: Notebook, future: Future[Result], runs: Runs, store: Store) -> str:
    """Add one outcome to `runs`; returns it in words."""
    try:
        result = future.result()
    except Failures as error:
        runs.failures += error.failures
        return "FAILED"
    except Exception as error:
        runs.failures.append(fault_in_build(error, book.path))
        return "FAILED"
    try:
        store.put(result_key(book, result.isolated), result)
    except OSError as error:
        reason = f"passed, but its result could not be kept: {error}"
        runs.failures.append(Failure(book.path, 1, reason, code="result-not-kept"))
        return "NOT KEPT"
    runs.results[book.name] = result
    runs.ran.add(book.name)
    return f"{result.seconds:.1f} s, {result.peak_memory_bytes / 2**20:.0f} MiB"


@contextmanager
def _executor(folder: Path) -> Iterator[tuple[str, Submit]]:
    """Where runs happen, in words, and how one is begun there."""
    if address := os.environ.get("QA_SCHEDULER"):
        from qa.run.cluster import cluster_executor

        with cluster_executor(address, may_go_unshielded()) as submit:
            yield f"on {address}", submit
        return
    server = local_server(folder)
    isolate = must_isolate(server, may_go_unshielded())
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as threads:
        try:
            yield f"here, {cores} at once", lambda book: threads.submit(run, book, server, isolate)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            server.stop_runs()
            raise


def may_go_unshielded() -> bool:
    return os.environ.get(WITHOUT_ISOLATION) == "1"


def must_isolate(server: LocalServer, allowed: bool) -> bool:
    """False where this system cannot isolate and `allowed` says to go on. Raises Failures."""
    problem = server.isolation_problem()
    if problem and not allowed:
        reason = f"examples cannot be isolated here: {problem}"
        how = f"README.md says what isolation needs, and what {WITHOUT_ISOLATION}=1 does"
        raise Failures([Failure(Path("notebooks"), 1, reason, how, "no-isolation")])
    if problem:
        _warn(f"examples run WITHOUT isolation, as you, with your files: {problem}")
    return not problem


def _warn(text: str) -> None:
    """Past all settings of logging."""
    print(f"WARNING: {text}. Use only what you have read.", file=sys.stderr)
