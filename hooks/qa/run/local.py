"""Runs on this machine: the builder's side of the server in `inside`, which forks for each run."""

from __future__ import annotations

import atexit
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from qa.failures import Failure, Failures
from qa.run import protocol
from qa.run.inside.libraries import group_of
from qa.run.inside.variables import variables
from qa.run.protocol import Load, Run

SERVER = "qa.run.inside.server"
LINES_OF_TROUBLE = 12


@cache
def local_server(folder: Path) -> LocalServer:
    """One for this process and cache: under `mkdocs serve` it stays warm between builds."""
    server = LocalServer(folder)
    atexit.register(server.close)
    return server


class LocalServer:
    """One process for each group of runs; starts with its first, ends with the builder, however
    that ends. Raises Failures where it cannot start."""

    def __init__(self, cache: Path):
        self.cache = cache
        self._lock = threading.Lock()
        self._processes: dict[str, _Process] = {}
        self._runs: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def isolation_problem(self) -> str:
        """Why this system cannot isolate a run, empty if it can."""
        with self._lock:
            return self._process_of("").problem

    def start(self, asked: Run | Load) -> socket.socket:
        """Begin a run; its messages arrive as lines. Closing the socket ends the run."""
        ours, theirs = socket.socketpair()
        with self._lock, theirs:
            control = self._process_of(group_of(asked.libraries)).control
            socket.send_fds(control, [b"."], [theirs.fileno()])
            self._runs.add(ours)
        ours.sendall(protocol.encode(asked))
        return ours

    def processes(self) -> list[subprocess.Popen[bytes]]:
        """Those that serve, whether or not they still live."""
        return [each.process for each in self._processes.values()]

    def stop_runs(self) -> None:
        """End all runs under way, in whatever thread; they fail."""
        with self._lock:
            for connection in list(self._runs):
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with self._lock:
            for process in self._processes.values():
                process.close()
            self._processes.clear()

    def _process_of(self, group: str) -> _Process:
        """The process that serves `group`, started if there is none or it died."""
        known = self._processes.get(group)
        if known and known.process.poll() is not None:
            self._processes.pop(group).close()
        if group not in self._processes:
            self._processes[group] = _Process(self.cache)
        return self._processes[group]


class _Process:
    """A server of `inside` and the socket on which it is asked; `problem` is what it said of
    isolation. Raises Failures if it does not start."""

    def __init__(self, cache: Path):
        fonts, home = cache / "matplotlib", cache / "home"
        for folder in (fonts, home):
            folder.mkdir(parents=True, exist_ok=True)
        self.control, theirs = socket.socketpair()
        with theirs, tempfile.TemporaryFile() as trouble:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", SERVER, str(theirs.fileno()), str(fonts)],
                env=variables(home, fonts),
                cwd="/",  # it is nobody's
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=trouble,
                start_new_session=True,  # Ctrl-C in a terminal is the builder's to handle
            )
            theirs.close()
            with self.control.makefile("rb") as lines:
                first = lines.readline()
            if not first:
                raise Failures([self._why_not(trouble)])
        self.problem = protocol.from_server(first).problem

    def _why_not(self, trouble: IO[bytes]) -> Failure:
        status = self.process.wait()
        self.control.close()
        trouble.seek(0)
        said = trouble.read().decode(errors="replace").splitlines()[-LINES_OF_TROUBLE:]
        last = said[-1] if said else f"exit status {status}"
        reason = f"the server that runs examples does not start: {last}"
        return Failure(Path("notebooks"), 1, reason, "\n".join(said), "server-does-not-start")

    def close(self) -> None:
        self.control.close()
        self.process.wait()
