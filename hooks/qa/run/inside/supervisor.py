"""The first process of a sandbox: starts the run, keeps it to its limits, and ends all of it."""

from __future__ import annotations

import multiprocessing.process
import os
import random
import select
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from qa.run import protocol
from qa.run.inside import cells, process, sandbox, system_calls
from qa.run.inside.memory import Memory
from qa.run.inside.process_tree import ProcessTree, kill_all, sockets
from qa.run.protocol import (
    Broken,
    Done,
    End,
    Example,
    FromRun,
    Left,
    Limits,
    Message,
    Ports,
    Ran,
    Run,
    Starts,
)

TICK = 0.1
"""Seconds between two looks at what the run has used; its events and its end are seen at once."""
GRACE = 2.0
"""Seconds in which what the run started may end after it."""
ANSWER = 0.5
"""Seconds in which Python writes its stack."""
LINES_OF_OUTPUT = 12


def fork_for(asked: Run) -> int:
    """As os.fork, into a sandbox or out of it. Raises OSError."""
    return sandbox.fork() if asked.isolate else os.fork()


def run_in_sandbox(connection: socket.socket, asked: Run, fonts: Path) -> NoReturn:
    """Forked from the server by `fork_for`: run the example, send what it says, and end.

    The last message is End or Broken. `fonts` is Matplotlib's folder in the builder's cache.
    """
    try:
        if asked.isolate:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run could send it
            sandbox.map_user()
            cache = _read_folder(fonts)
            sandbox.enter(asked.limits)
            top = sandbox.WORK.parent
        else:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            sandbox.adopt_orphans()
            cache = _read_folder(fonts)
            top = Path(tempfile.mkdtemp(prefix="qa-")).resolve()
        try:
            _fill(top, asked.example, cache)
            _Supervisor(connection, asked, top).run()
        finally:
            if not asked.isolate:
                kill_all(GRACE)
                shutil.rmtree(top, ignore_errors=True)
    except BaseException as error:
        with suppress(OSError):
            connection.sendall(protocol.encode(Broken(f"{type(error).__name__}: {error}")))
    os._exit(0)  # as an init process: the kernel kills what is left


def isolation_problem() -> str:
    """Why this system cannot isolate, found by trying; empty if it can."""
    result, answer = os.pipe()
    try:
        pid = sandbox.fork()
    except OSError as error:
        return f"{error}"
    if pid == 0:
        try:
            sandbox.map_user()
            sandbox.enter(Limits(1, 1))
            sandbox.drop_privileges()
            system_calls.refuse()
            os._exit(0)
        except BaseException as error:
            os.write(answer, f"{error}".encode())
        os._exit(1)
    os.close(answer)
    status = os.waitpid(pid, 0)[1]
    problem = b"".join(iter(lambda: os.read(result, 4096), b"")).decode()
    os.close(result)
    return problem or ("" if status == 0 else "the sandbox died while it was being built")


def _read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.json")}


def _fill(top: Path, example: Example, fonts: dict[str, bytes]) -> None:
    """The run's folder: its files, and a home with the list of fonts that Matplotlib made."""
    contents = {f"work/{name}": content for name, content in example.files.items()}
    contents |= {f"home/.config/matplotlib/{name}": content for name, content in fonts.items()}
    (top / "work").mkdir()
    (top / "home").mkdir()
    for name, content in contents.items():
        path = top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _pretend_more_cores() -> None:
    """To what asks Python for their number."""
    seen = len(os.sched_getaffinity(0)) + 1
    os.cpu_count = lambda: seen
    os.sched_getaffinity = lambda pid: set(range(seen))


def _enter_folder(top: Path) -> None:
    """Make this process, forked from a server that stands elsewhere, one that started here."""
    work = str(top / "work")
    os.chdir(work)
    os.environ.update(HOME=str(top / "home"), TMPDIR=str(top), PWD=work)
    os.environ.update(MPLCONFIGDIR=str(top / "home/.config/matplotlib"))
    os.environ.update(IPYTHONDIR=str(top / "home/.ipython"))
    tempfile.tempdir = None
    sys.path.insert(0, work)
    sys.argv = [""]
    sys.dont_write_bytecode = True
    multiprocessing.process.ORIGINAL_DIR = work  # type: ignore[attr-defined]
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()


class _Supervisor:
    """Relays what the run says, and adds what only an observer can know."""

    def __init__(self, connection: socket.socket, asked: Run, top: Path):
        self.connection = connection
        self.example = asked.example
        self.limits = asked.limits
        self.again = asked.again
        self.top = top
        self.isolated = top == sandbox.WORK.parent
        self.output = os.memfd_create("output")
        self.stack = os.memfd_create("stack")
        self.reports, self.report = os.pipe()
        self.answer, self.answers = os.pipe()
        self.cell = 0
        self.position = 0  # of the running cell's output
        self.seen: dict[str, int] = {}  # processes and ports, and the cell after which first seen
        self.status: int | None = None

    def run(self) -> None:
        self.started = time.monotonic()
        self.pid = os.fork()
        if self.pid == 0:
            self._become_the_run()
        os.close(self.report)
        os.close(self.answer)
        self.tree = ProcessTree(self.pid)
        self.memory = Memory(self.pid, (self.output, self.stack), self.isolated)
        verdict = self._relay()
        if verdict:
            self._ask_where()
        left = () if verdict else self._wait_for_all()
        kill_all(GRACE)
        self._reap()
        shown = _read(self.output, self.position).splitlines()
        self._send(
            End(
                cell=self.cell,
                verdict=verdict,
                stack=_read(self.stack),
                status=self.status,
                left=left,
                output=tuple(shown[-LINES_OF_OUTPUT:]),
                processor_seconds=round(self.tree.processor_seconds(), 3),
                peak_memory=max(self.memory.peak, 0),
            )
        )

    def _become_the_run(self) -> NoReturn:
        """In the run's own process: prepare it, then let the notebook's code in."""
        # With a position of its own, and appending: child processes write to it as well.
        output = os.open(f"/proc/self/fd/{self.output}", os.O_RDWR | os.O_APPEND)
        process.redirect_output(output)
        process.crash_reports(self.stack)
        keep = sorted({0, 1, 2, output, self.stack, self.report, self.answer})
        for low, high in zip(keep, [*keep[1:], 1 << 20], strict=True):
            os.closerange(low + 1, high)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        own = os.getpid()

        def send(message: FromRun) -> None:
            if os.getpid() != own:
                os._exit(1)  # a child that the notebook forked came to the end of the cell
            data = protocol.encode(message)
            while data:
                data = data[os.write(self.report, data) :]
            os.read(self.answer, 1)

        def run() -> Callable[[], None]:
            _enter_folder(self.top)
            if self.again:
                _pretend_more_cores()
            sandbox.set_resource_limits(self.limits)
            sandbox.drop_privileges()
            if self.isolated:
                system_calls.refuse()
            work = self.top / "work"
            runner = cells.CellRunner(self.example, work, output, self.limits, send)
            runner.run()
            return runner.report_rest

        process.exit_after(run)

    def _send(self, message: Message) -> None:
        self.connection.sendall(protocol.encode(message))

    def _relay(self) -> str:
        """Pass messages on until the run ends; returns which limit it broke, if any."""
        os.set_blocking(self.reports, False)
        poll = select.poll()
        poll.register(self.reports, select.POLLIN)
        poll.register(self.connection, select.POLLRDHUP)
        poll.register(os.pidfd_open(self.pid), select.POLLIN)
        buffer, size = b"", 0
        looked = time.monotonic()
        while True:
            wait = 0 if b"\n" in buffer else TICK * 1000
            if self.connection.fileno() in dict(poll.poll(wait)):
                raise ConnectionAbortedError("the builder is gone")
            self._reap()
            while chunk := _read_some(self.reports):
                size += len(chunk)
                if size > 2 * self.limits.report:  # the run itself stops before that
                    return f"flood of output: more than {self.limits.report >> 20} MiB"
                buffer += chunk
            if b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                self._pass_on(line)
            elif self.status is not None:
                return "" if self.status else self._broken_limit()
            if time.monotonic() > looked + TICK:
                if verdict := self._broken_limit():
                    return verdict
                looked = time.monotonic()

    def _pass_on(self, line: bytes) -> None:
        message = protocol.from_run(line)
        if isinstance(message, Starts):
            self.cell = message.cell
        self.connection.sendall(line + b"\n")
        if isinstance(message, Ran):
            self.position = os.fstat(self.output).st_size
        if isinstance(message, Ran | Done):
            for name in [*self.tree.names(), *self.tree.ports()]:
                self.seen.setdefault(name, self.cell)
            self.memory.measure(self.tree.other_ids())  # while it waits: it may end before a tick
        if isinstance(message, Done):
            self._send(Ports(self._left(self.tree.ports())))
        with suppress(BrokenPipeError):  # it may have died meanwhile
            os.write(self.answers, b".")

    def _reap(self) -> None:
        """Collect the run and, as an init process, every orphan."""
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self.pid:
                    self.status = status

    def _broken_limit(self) -> str:
        limits = self.limits
        if self.tree.processor_seconds() > limits.processor_seconds:
            return f"time budget: more than {limits.processor_seconds:g} s of processor time"
        if time.monotonic() - self.started > limits.clock_seconds:
            return f"time budget: not done after {limits.clock_seconds:g} s"
        if os.fstat(self.output).st_size > limits.output:
            return f"flood of output: more than {limits.output >> 10} KiB"
        others = self.tree.other_ids()
        if len(others) > limits.processes:
            return f"process limit: more than {limits.processes} at once"
        if self.memory.measure(others) > limits.memory:
            return f"memory limit: more than {limits.memory >> 20} MiB"
        return self._broken_limit_of_kernel() if self.isolated else ""

    def _broken_limit_of_kernel(self) -> str:
        """What is not in the run's processes, and can be told only from outside."""
        if sockets() > self.limits.sockets:
            return f"socket limit: more than {self.limits.sockets} at once"
        runs = len(os.sched_getaffinity(0))  # at once, all with files in memory
        shared = self.limits.memory + runs * self.limits.disk
        if self.memory.machine_growth() > shared:
            return f"memory limit: what no process owns grew by {shared >> 20} MiB"
        return ""

    def _ask_where(self) -> None:
        """Let Python write the stack of the run's main thread, wherever that is, then stop all."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGUSR1)
        deadline = time.monotonic() + ANSWER
        while not os.fstat(self.stack).st_size and time.monotonic() < deadline:
            time.sleep(TICK / 10)

    def _wait_for_all(self) -> tuple[Left, ...]:
        """Processes that outlive the run, with the cell after which they were first seen."""
        deadline = time.monotonic() + GRACE
        while (names := list(self.tree.names())) and time.monotonic() < deadline:
            time.sleep(TICK / 10)
            self._reap()
        return self._left(names)

    def _left(self, names: list[str]) -> tuple[Left, ...]:
        return tuple(Left(name, self.seen.get(name, self.cell)) for name in names)


def _read_some(file: int) -> bytes:
    try:
        return os.read(file, 1 << 16)
    except BlockingIOError:
        return b""


def _read(file: int, position: int = 0) -> str:
    """The end of a file, at most 64 KiB."""
    size = os.fstat(file).st_size
    start = max(position, size - (1 << 16))
    return os.pread(file, size - start, start).decode(errors="replace")
