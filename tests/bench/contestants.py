"""One contestant runs one set of notebooks, in a process of its own: the last line is its report.

python -m tests.bench.contestants NAME FOLDER, where FOLDER holds `notebooks/` and for the others
`jupyter/`, which is the same, laid out as they need it.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import sys
import tempfile
import time
from pathlib import Path

from qa.run import environment
from qa.run import notebook as notebooks
from qa.run.notebook import Notebook
from qa.run.runs import run_all

TIMEOUT = 600
"""Seconds a cell may take under the others, which hold no budget."""


def read(folder: Path) -> list[Notebook]:
    return [notebooks.read(path) for path in notebooks.find(folder / "notebooks")]


def lay_out(folder: Path) -> None:
    """Write each notebook's .ipynb and its files into a folder of its own."""
    for book in read(folder):
        files = {name: file.content for name, file in book.files.items()}
        for name, content in (files | {"notebook.ipynb": book.pair.read_bytes()}).items():
            path = folder / "jupyter" / book.name / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)


def engine(folder: Path) -> tuple[list[str], float]:
    """What failed, and the seconds of all cells. Nothing is in the store; Matplotlib's list of
    fonts is there, as for the others."""
    with tempfile.TemporaryDirectory() as cache:
        Path(cache, "matplotlib").symlink_to(os.environ["MPLCONFIGDIR"])
        runs = run_all(read(folder), Path(cache))
    cells = [cell.seconds for run in runs.results.values() for cell in run.cells.values()]
    return list(map(str, runs.failures)), sum(cells)


def nbclient(folder: Path) -> tuple[list[str], float]:
    """One notebook after the other, each with a new kernel."""
    import nbformat
    from nbclient import NotebookClient

    failed = []
    for path in sorted(folder.glob("jupyter/*/*/notebook.ipynb")):
        resources = {"metadata": {"path": str(path.parent)}}
        node = nbformat.read(path, as_version=4)
        try:
            NotebookClient(node, timeout=TIMEOUT, resources=resources).execute()
        except Exception as error:
            failed.append(f"{path.parent.name}: {error}")
    return failed, 0


def jupyter_cache(folder: Path) -> tuple[list[str], float]:
    """Its executor `local-parallel`: nbclient in a pool of as many processes as there are cores."""
    from jupyter_cache import get_cache
    from jupyter_cache.executors import load_executor

    with tempfile.TemporaryDirectory() as kept:
        cache = get_cache(kept)
        for path in sorted(folder.glob("jupyter/*/*/notebook.ipynb")):
            cache.add_nb_to_project(str(path))
        result = load_executor("local-parallel", cache=cache).run_and_cache(timeout=TIMEOUT)
    return [Path(path).parent.name for path in (*result.excepted, *result.errored)], 0


def imports(folder: Path) -> tuple[list[str], float]:
    """Not a contestant: import the libraries of all notebooks once, in one process."""
    for name in dict.fromkeys(name for book in read(folder) for name in book.mentions.imports):
        if name.partition(".")[0] in environment.installed().modules:
            importlib.import_module(name)
    return [], 0


CONTESTANTS = {
    "engine": engine,
    "nbclient": nbclient,
    "jupyter-cache": jupyter_cache,
    "imports": imports,
}

if __name__ == "__main__":
    logging.disable(logging.WARNING)
    clock = time.perf_counter()
    failed, own = CONTESTANTS[sys.argv[1]](Path(sys.argv[2]))
    report = {"seconds": time.perf_counter() - clock, "failed": failed, "own": own}
    print("\n" + json.dumps(report), flush=True)
    os._exit(0)  # some libraries take long to leave
