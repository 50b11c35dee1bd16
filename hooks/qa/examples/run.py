"""Run one notebook in a fresh IPython kernel, in an empty folder with a clean environment."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from qa.examples import environment, outputs
from qa.examples.key import modules_of
from qa.examples.notebook import Cell, Notebook
from qa.examples.store import CellResult, Result, decode_scalar
from qa.failures import Failure, Failures

HERE = Path(__file__).parent
PATIENCE = 4
"""A run may take this many times its budget on a machine that does other work as well."""

FRAME = re.compile(r"Cell In\[(\d+)\], line (\d+)")
LINES_OF_OUTPUT = 12
_running: set[int] = set()
"""Process ids of the kernels that run now."""
_stopping = threading.Event()

MEMORY_INTERVAL = 0.2


class _ThisPython(KernelSpecManager):
    """The kernel is this interpreter, whatever kernels are installed for the user."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        config = HERE / "ipython_kernel_config.py"
        launcher = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=[*launcher, f"--config={config}"], language="python")


def run(notebook: Notebook, cache: Path) -> Result:
    """Execute all cells in order.

    `cache` is a folder that outlives the run (Matplotlib keeps its list of fonts there).
    Raises Failures with the notebook's own file and line.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    cells: dict[str, CellResult] = {}
    with (
        _working_folder(notebook) as (folder, home),
        _kernel(notebook, folder, home, cache) as client,
        _PeakMemory(_process_of(client)) as memory,
    ):
        deadline = time.monotonic() + PATIENCE * notebook.seconds
        for position, cell in enumerate(notebook.code):
            cells[cell.name] = _run_cell(client, notebook, position, deadline)
        values = _scalars(client, len(notebook.code))
    return Result(
        notebook=notebook.name,
        cells=cells,
        values=values,
        seconds=round(time.perf_counter() - clock, 3),
        peak_memory_bytes=memory.peak,
        started=started.isoformat(timespec="seconds"),
        python=environment.python()["python"],
        system=f"{environment.python()['system']} {environment.python()['machine']}",
        processor=environment.processor(),
        distributions=environment.imported_distributions(modules_of(notebook)),
    )


@contextmanager
def _working_folder(notebook: Notebook) -> Iterator[tuple[Path, Path]]:
    """A working folder with the notebook's files, and a home beside it; both vanish."""
    with tempfile.TemporaryDirectory(prefix="qa-", ignore_cleanup_errors=True) as top:
        folder, home = Path(top, "work"), Path(top, "home")
        folder.mkdir()
        home.mkdir()
        # A database server drops root's rights and must still reach its data below.
        Path(top).chmod(0o711)
        for name, path in notebook.files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        yield folder, home


@contextmanager
def _kernel(notebook: Notebook, folder: Path, home: Path, cache: Path) -> Iterator[NotebookClient]:
    node = notebook.as_ipynb()
    node.cells = [cell for cell in node.cells if cell.cell_type == "code"]
    manager = AsyncKernelManager(
        kernel_spec_manager=_ThisPython(),
        transport="ipc",
        ip=str(home / "kernel"),
        connection_file=str(home / "kernel.json"),
    )
    client = NotebookClient(node, km=manager, shutdown_kernel="immediate")
    with client.setup_kernel(cleanup_kc=True, cwd=str(folder), env=_environment(home, cache)):
        _running.add(pid := _process_of(client))
        try:
            if _stopping.is_set():  # while this kernel was starting
                raise Failures([Failure(notebook.path, 1, "interrupted")])
            yield client
        finally:
            # Shutting down politely waits for torch's threads; nothing here needs saving.
            _running.discard(pid)
            _kill_tree(pid)


def stop_all() -> None:
    """Kill the kernels of all runs under way, in whatever thread; those runs fail."""
    _stopping.set()
    for pid in list(_running):
        _kill_tree(pid)


def _process_of(client: NotebookClient) -> int:
    """The kernel's process id."""
    provisioner: Any = client.km and client.km.provisioner
    return int(provisioner.pid) if provisioner and provisioner.pid else 0


def _kill_tree(pid: int) -> None:
    """Kill a kernel and every process that it started."""
    with suppress(psutil.NoSuchProcess):
        for process in [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()


def _environment(home: Path, cache: Path) -> dict[str, str]:
    """Nothing of the builder's own variables but what a program needs to be found."""
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin"])
    return {
        "PATH": path,
        "HOME": str(home),
        "TMPDIR": str(home),
        "IPYTHONDIR": str(home / "ipython"),
        "LANG": "C.UTF-8",
        "MATPLOTLIBRC": str(HERE / "matplotlibrc"),
        "MPLCONFIGDIR": str(cache / "matplotlib"),
        # Two threads on a busy machine are many times slower than one.
        "OMP_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        # Matplotlib writes this date, not today's, into its files.
        "SOURCE_DATE_EPOCH": "0",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }


def _run_cell(
    client: NotebookClient, notebook: Notebook, position: int, deadline: float
) -> CellResult:
    cell = notebook.code[position]
    node = client.nb.cells[position]
    client.timeout = max(1, int(deadline - time.monotonic()))
    clock = time.perf_counter()
    reason = ""
    try:
        client.execute_cell(node, position)
    except CellExecutionError as error:
        line, reason = _locate(notebook, cell, node), f"{error.ename}: {error.evalue}".strip(": ")
    except CellTimeoutError:
        line = cell.line
        reason = f"time budget: not done after {PATIENCE} times the {notebook.seconds} s allowed"
    except DeadKernelError:
        line, reason = cell.line, "the kernel died (out of memory, a crash, or os._exit)"
    else:
        if "raises-exception" in cell.tags and not _error(node):
            line, reason = cell.line, "is tagged raises-exception and raised nothing"
    if reason:
        first, _, rest = _without_ansi(reason).partition("\n")
        detail = "\n".join(filter(None, [rest, _last_output(node)]))
        path = notebook.path
        raise Failures([Failure(path, line, f'cell "{cell.name}": {first}', detail)])
    seconds = round(time.perf_counter() - clock, 3)
    try:
        return CellResult(cell.line, seconds, outputs.make_safe(node.outputs))
    except ValueError as error:
        reason = f'cell "{cell.name}": {error}'
        raise Failures([Failure(notebook.path, cell.line, reason)]) from error


def _without_ansi(text: str) -> str:
    return outputs.ANSI.sub("", text)


def _error(node: nbformat.NotebookNode) -> dict[str, Any] | None:
    return next((o for o in node.outputs if o.output_type == "error"), None)


def _locate(notebook: Notebook, cell: Cell, node: nbformat.NotebookNode) -> int:
    """The line of the .py of the innermost frame that stands in the notebook itself."""
    error = _error(node)
    frames = FRAME.findall(_without_ansi("\n".join(error["traceback"]))) if error else []
    if not frames:
        return cell.line
    count, line = map(int, frames[-1])
    return notebook.code[count - 1].line + line - 1


def _last_output(node: nbformat.NotebookNode) -> str:
    text = "".join(o.text for o in node.outputs if o.output_type == "stream")
    lines = _without_ansi(text).splitlines()[-LINES_OF_OUTPUT:]
    return "\n".join(["last output:", *lines]) if lines else ""


def _scalars(client: NotebookClient, position: int) -> dict[str, Any]:
    """Ask the kernel for its final variables; the question leaves no trace in the notebook."""
    code = (
        "from qa.examples import scalars as _scalars\n"
        "from IPython.display import display as _display\n"
        "_display({'application/json': _scalars.as_json(globals())}, raw=True)"
    )
    question = nbformat.v4.new_code_cell(code)
    client.nb.cells.append(question)
    client.execute_cell(question, position)
    answer = json.loads(question.outputs[0].data["application/json"])
    return {name: decode_scalar(value) for name, value in answer.items()}


class _PeakMemory(threading.Thread):
    """Samples the memory of a process tree: the proportional set size, in bytes."""

    def __init__(self, pid: int):
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.peak = 0
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(MEMORY_INTERVAL):
            self._sample()

    def _sample(self) -> None:
        total = 0
        with suppress(psutil.Error):
            for process in [self.process, *self.process.children(recursive=True)]:
                total += process.memory_full_info().pss
        self.peak = max(self.peak, total)

    def __enter__(self) -> _PeakMemory:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self.join()
        self._sample()
