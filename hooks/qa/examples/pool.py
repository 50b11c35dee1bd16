"""Run the notebooks whose results are not in the store, as many at once as there are cores."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from qa.examples.key import result_key
from qa.examples.notebook import Notebook
from qa.examples.run import run, stop_all
from qa.examples.store import Result, Store
from qa.failures import Failure, Failures

log = logging.getLogger("mkdocs.qa")


@dataclass
class Runs:
    """Results by notebook name, and how many of them were run now rather than found."""

    results: dict[str, Result]
    executed: int
    failures: list[Failure]


def run_all(notebooks: Iterable[Notebook], cache: Path) -> Runs:
    """Find or make the result of each notebook; all run even if one fails."""
    store = Store(cache / "results")
    runs = Runs({}, 0, [])
    missing: dict[str, Notebook] = {}
    for notebook in notebooks:
        key = result_key(notebook)
        if found := store.get(key):
            runs.results[notebook.name] = found
        else:
            missing[key] = notebook
    if not missing:
        return runs
    cores = len(os.sched_getaffinity(0))
    log.info(f"Running {len(missing)} examples, {cores} at once ({len(runs.results)} unchanged)")

    def run_and_store(key: str, notebook: Notebook) -> Result:
        log.info(f"  {notebook.name} starts")
        result = run(notebook, cache)
        store.put(key, result)
        return result

    with ThreadPoolExecutor(cores) as pool:
        futures = {pool.submit(run_and_store, *item): item[1] for item in missing.items()}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                outcome = _collect(futures[future], future, runs)
                left = len(missing) - done
                log.info(f"  {futures[future].name}: {outcome} ({done} done, {left} left)")
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            stop_all()
            raise
    return runs


def _collect(notebook: Notebook, future: Future[Result], runs: Runs) -> str:
    """Add one outcome to `runs`; returns it in words."""
    try:
        result = future.result()
    except Failures as error:
        runs.failures += error.failures
        return "FAILED"
    runs.results[notebook.name] = result
    runs.executed += 1
    return f"{result.seconds:.1f} s, {result.peak_memory_bytes / 2**20:.0f} MiB"
