"""Run the notebooks whose results are not in the store, as many at once as there are cores."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from qa.failures import Failure, Failures, fault_in_build
from qa.run import durations
from qa.run.key import result_key
from qa.run.local import LocalServer, group_of, local_server
from qa.run.notebook import Notebook
from qa.run.protocol import Load
from qa.run.report import installed_imports, run
from qa.run.store import Result, Store

log = logging.getLogger("mkdocs.qa")

Submit = Callable[[Notebook], "Future[Result]"]


@dataclass
class Runs:
    """Results by notebook name, and how many of them were run now rather than found."""

    results: dict[str, Result] = field(default_factory=dict)
    executed: int = 0
    failures: list[Failure] = field(default_factory=list)


def warm_up(notebook: Notebook, folder: Path) -> None:
    """Load the libraries of a notebook that will probably run soon, in the background."""
    local_server(folder).start(Load(installed_imports(notebook))).close()


def run_all(notebooks: Iterable[Notebook], folder: Path) -> Runs:
    """Find or make the result of each notebook; all run even if one fails.

    `folder` is the cache, with the store in it.
    """
    store = Store(folder / "results")
    runs = Runs()
    missing: dict[str, str] = {}
    books = {book.name: book for book in notebooks}
    for name, book in books.items():
        key = result_key(book)
        if found := store.get(key):
            runs.results[name] = found
        else:
            missing[name] = key
    if not missing:
        return runs
    times = folder / "durations.json"
    order = _mixed(durations.longest_first([books[name] for name in missing], times))
    with _executor(folder) as (where, submit):
        log.info(f"Running {len(missing)} examples {where} ({len(runs.results)} unchanged)")
        futures = {submit(book): book for book in order}
        for done, future in enumerate(as_completed(futures), 1):
            book = futures[future]
            outcome = _collect(book, future, runs, partial(store.put, missing[book.name]))
            log.info(f"  {book.name}: {outcome} ({done} done, {len(missing) - done} left)")
    with suppress(OSError):  # it only orders the next build
        durations.note([runs.results[name] for name in missing if name in runs.results], times)
    return runs


def _mixed(order: list[Notebook]) -> list[Notebook]:
    """While the first waits for its libraries, one that needs others can already run."""
    first = group_of(order[0].facts.imports)
    others = [book for book in order if group_of(book.facts.imports) != first]
    begin = [order[0], *others[:1]]
    return begin + [book for book in order if book not in begin]


def _collect(
    book: Notebook, future: Future[Result], runs: Runs, keep: Callable[[Result], None]
) -> str:
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
        keep(result)
    except OSError as error:
        reason = f"passed, but its result could not be kept: {error}"
        runs.failures.append(Failure(book.path, 1, reason))
        return "NOT KEPT"
    runs.results[book.name] = result
    runs.executed += 1
    return f"{result.seconds:.1f} s, {result.peak_memory_bytes / 2**20:.0f} MiB"


@contextmanager
def _executor(folder: Path) -> Iterator[tuple[str, Submit]]:
    """Where runs happen, in words, and how one is begun there."""
    if address := os.environ.get("QA_SCHEDULER"):
        from qa.run.cluster import cluster_executor

        with cluster_executor(address) as submit:
            yield f"on {address}", submit
        return
    server = local_server(folder)
    isolate = must_isolate(server)
    cores = len(os.sched_getaffinity(0))
    with ThreadPoolExecutor(cores) as threads:
        try:
            yield f"here, {cores} at once", lambda book: threads.submit(run, book, server, isolate)
        except BaseException:
            threads.shutdown(wait=False, cancel_futures=True)
            server.stop_runs()
            raise


def must_isolate(server: LocalServer) -> bool:
    """False where this system cannot isolate, which is said; in CI it is refused."""
    problem = server.isolation_problem()
    if problem and os.environ.get("CI") == "true":
        reason = f"CI refuses to run examples without isolation: {problem} (see README.md)"
        raise Failures([Failure(Path("notebooks"), 1, reason)])
    if problem:
        print(
            f"WARNING: examples run WITHOUT isolation, as you, with your files: {problem}. "
            "Run only examples that you have read. README.md says what isolation needs.",
            file=sys.stderr,
        )
    return not problem
