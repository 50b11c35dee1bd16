"""A process that has imported the libraries and forks one child for each run.

`ForkServer` is the builder's side; `python -m qa.run.forkserver FD` is the server. It only
ever imports: a library that has computed may have started threads, which do not survive a fork.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.run.inside.sandbox import Limits
from qa.run.notebook import Notebook

ALSO = {"torch": ("torch._dynamo",)}
"""Modules that a library imports at its first use, at a price."""
NEEDS = {"torch": {"opacus"}}
"""Libraries that import a large one."""


LARGE = ("torch",)
"""Libraries that make each fork slower and take seconds to load: their users have a process of
their own, so that all others need not wait."""


def group_of(modules: Iterable[str]) -> str:
    """The library in LARGE that the modules need, or nothing."""
    tops = {name.partition(".")[0] for name in modules}
    return next((name for name in LARGE if name in tops or tops & NEEDS.get(name, set())), "")


@dataclass(frozen=True)
class Run:
    """What the builder asks of the server. `modules` are imported before the fork."""

    notebook: Notebook
    modules: tuple[str, ...]
    limits: Limits
    isolate: bool


@dataclass(frozen=True)
class Load:
    """Import `modules` now, so that a later run need not wait."""

    modules: tuple[str, ...]


class ForkServer:
    """One process for each group of runs; starts with its first, ends with the builder, however
    that ends."""

    def __init__(self, cache: Path):
        self.cache = cache
        self._lock = threading.Lock()
        self._processes: dict[str, tuple[subprocess.Popen[bytes], socket.socket]] = {}
        self._problem = ""
        self._runs: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def isolation_problem(self) -> str:
        """Why this system cannot isolate a run, empty if it can."""
        with self._lock:
            self._control_of("")
            return self._problem

    def start(self, run: Run | Load) -> socket.socket:
        """Begin a run; its events arrive as lines of JSON. Closing the socket ends the run."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            socket.send_fds(self._control_of(group_of(run.modules)), [b"."], [theirs.fileno()])
            self._runs.add(ours)
        _send(ours, run)
        return ours

    def stop_runs(self) -> None:
        """End all runs under way, in whatever thread; they fail."""
        with self._lock:
            for connection in list(self._runs):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _control_of(self, group: str) -> socket.socket:
        """Of the process that serves `group`, started if there is none or it died."""
        if group not in self._processes or self._processes[group][0].poll() is not None:
            self._processes[group] = self._launch()
            self._problem = str(_receive(self._processes[group][1]))
        return self._processes[group][1]

    def _launch(self) -> tuple[subprocess.Popen[bytes], socket.socket]:
        fonts = self.cache / "matplotlib"
        home = self.cache / "home"
        for folder in (fonts, home):
            folder.mkdir(parents=True, exist_ok=True)
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", __name__, str(theirs.fileno()), str(fonts)],
                env=_environment(home, fonts),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in a terminal is the builder's to handle
            )
        return process, ours

    def close(self) -> None:
        with self._lock:
            for process, control in self._processes.values():
                control.close()
                process.wait()
            self._processes.clear()


def _environment(home: Path, fonts: Path) -> dict[str, str]:
    """Nothing of the builder's own variables but what a program needs to be found."""
    here = Path(__file__).parent
    return {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/local/bin:/usr/bin:/bin"]),
        "HOME": str(home),
        "TMPDIR": tempfile.gettempdir(),
        "LANG": "C.UTF-8",
        "MATPLOTLIBRC": str(here / "inside" / "matplotlibrc"),
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MPLCONFIGDIR": str(fonts),
        # Two threads on a busy machine are many times slower than one.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONHASHSEED": "0",
        # Matplotlib writes this date, not today's, into its files.
        "SOURCE_DATE_EPOCH": "0",
        "TORCH_CPP_LOG_LEVEL": "ERROR",
    }


def _load(modules: Iterable[str]) -> None:
    """Import what can be imported; what cannot fails in the run, where it is reported."""
    for name in modules:
        for module in (name, *ALSO.get(name, ())):
            if module not in sys.modules:
                try:
                    importlib.import_module(module)
                except Exception:
                    sys.modules.pop(module, None)


def _send(connection: socket.socket, message: object) -> None:
    data = pickle.dumps(message)
    connection.sendall(len(data).to_bytes(8, "big") + data)


def _receive(connection: socket.socket) -> Any:
    """A message of the builder to its server or back: both are trusted, unlike a run."""
    with connection.makefile("rb") as stream:
        size = int.from_bytes(stream.read(8), "big")
        return pickle.loads(stream.read(size))


def serve(control: socket.socket, fonts: Path) -> None:
    """Answer runs until the builder's end of `control` closes."""
    from qa.run.inside import shell, supervisor  # import IPython, once for all runs

    _send(control, supervisor.isolation_problem())
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    while True:
        _, files, _, _ = socket.recv_fds(control, 1, 1)
        if not files:
            return
        with socket.socket(fileno=files[0]) as connection:
            run: Run | Load = _receive(connection)
            _load(run.modules)
            shell.prepared_shell()
            for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
                finalizer.atexit = False  # the libraries' own, at the end of each run: 40 ms
            # What lives now is shared with all children: collecting it would only copy its pages.
            gc.collect()
            gc.freeze()
            if isinstance(run, Run) and os.fork() == 0:
                control.close()
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                supervisor.run_in_sandbox(connection, run.notebook, run.limits, run.isolate, fonts)


if __name__ == "__main__":
    from qa.run import forkserver  # under its own name, so that what is pickled fits

    forkserver.serve(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))
