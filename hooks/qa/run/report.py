"""Run one notebook in a sandbox: messages in, a result or located failures out."""

from __future__ import annotations

import errno
import re
import signal
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from qa.failures import Failure, Failures
from qa.printable import printable
from qa.run import environment, outputs, protocol
from qa.run.inside.libraries import libraries_of
from qa.run.inside.safe import UnsafeOutput
from qa.run.local import LocalServer
from qa.run.notebook import Cell, Notebook
from qa.run.protocol import (
    ENGINE_FAULT,
    Broken,
    Display,
    Done,
    End,
    Error,
    Exact,
    Example,
    Exited,
    Fault,
    Frame,
    FromSupervisor,
    Left,
    Ports,
    Ran,
    Run,
    Starts,
    Stream,
    limits_of,
)
from qa.run.store import CellResult, Result, Scalar

MOST_DIGITS = 1000
"""Of a value."""
FRAME = re.compile(r'^  File "([^"]+)", line (\d+) in ', re.M)
"""A line of faulthandler's."""
NAMES_OF_ERRORS = {
    errno.ENETUNREACH: "uses the network",
    errno.EHOSTUNREACH: "uses the network",
    errno.EROFS: "writes outside its folder",
    errno.ENOSPC: "disk limit",
    errno.EFBIG: "disk limit",
    errno.ENOMEM: "memory limit",
}
NAMES_OF_TYPES = {
    "SystemExit": "ends before its end",
    "gaierror": "uses the network",
    "MemoryError": "memory limit",
    "OutputFlood": "flood of output",
}


def run(
    notebook: Notebook, server: LocalServer, isolate: bool = True, again: bool = False
) -> Result:
    """Execute all cells in order, stopping at the first that fails.

    Raises Failures with the notebook's own file and line.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    report = _Report(notebook)
    limits = limits_of(notebook.seconds)
    asked = Run(_example(notebook), libraries_of(notebook.mentions.imports), limits, isolate, again)
    with server.start(asked) as connection:
        try:
            for message in messages(connection):
                report.take(message)
        except (ArithmeticError, LookupError, ValueError) as error:
            report.end = Broken(f"the run reports what makes no sense: {error}")
    end = report.check()
    return Result(
        notebook=notebook.name,
        cells=report.cells,
        values=report.values,
        kinds=report.kinds,
        seconds=round(time.perf_counter() - clock, 3),
        processor_seconds=end.processor_seconds,
        peak_memory_bytes=end.peak_memory,
        started=started.isoformat(timespec="seconds"),
        python=environment.python()["python"],
        system=f"{environment.python()['system']} {environment.python()['machine']}",
        processor=environment.processor(),
        distributions=environment.imported_distributions(notebook.mentions.modules),
        isolated=isolate,
    )


def _example(notebook: Notebook) -> Example:
    code = tuple(
        protocol.Cell(cell.source, cell.line, cell.must_raise, cell.flips) for cell in notebook.code
    )
    files = {name: file.content for name, file in notebook.files.items()}
    folder = notebook.path.with_suffix("")
    own = [name for name, file in notebook.files.items() if file.path.is_relative_to(folder)]
    return Example(notebook.label, notebook.text, code, files, frozenset(own))


def messages(connection: socket.socket) -> Iterator[FromSupervisor]:
    """Up to the last one. Raises ValueError for what is none."""
    with connection.makefile("rb") as stream:
        while line := stream.readline(protocol.LARGEST + 1):
            message = protocol.from_supervisor(line)
            yield message
            if isinstance(message, End | Broken):
                return


class _Report:
    """What a run has said so far. The code that speaks is not trusted: only data are taken, and
    only in their order."""

    def __init__(self, notebook: Notebook):
        self.notebook = notebook
        self.cells: dict[str, CellResult] = {}
        self.values: dict[str, Scalar] = {}
        self.kinds: dict[str, str] = {}
        self.end: End | Broken | None = None
        self.done = False
        self.failures: list[Failure] = []
        cells = range(len(notebook.code))
        self._began = time.perf_counter()
        self._expected: Iterator[Any] = iter(
            [
                *((kind, cell) for cell in cells for kind in (Starts, Ran)),
                (Done, None),
                (Exited, None),
            ]
        )

    def take(self, message: FromSupervisor) -> None:
        """Raises ValueError or LookupError for what makes no sense."""
        if isinstance(message, Starts | Ran | Done | Exited):
            came = (type(message), getattr(message, "cell", None))
            if came != next(self._expected, None):
                raise ValueError(f"{came[0].__name__} out of order")
        match message:
            case Ran():
                self._take_ran(message)
            case Done():
                self.values = {name: _scalar(value) for name, value in message.values.items()}
                self.kinds = message.kinds
                self._add_faults(message.faults, self.notebook.code[-1])
            case Exited():
                self.done = True
                self._add_faults(message.faults, self.notebook.code[-1])
            case Ports():
                self._add_left(message.left)
            case End() | Broken():
                self.end = message

    def _take_ran(self, ran: Ran) -> None:
        cell, error = self.notebook.code[ran.cell], ran.error
        if ran.seconds > time.perf_counter() - self._began:
            raise ValueError("a cell that took longer than the run")
        self._add_faults(ran.faults, cell)
        if error and not cell.must_raise:
            self._add_error(cell, error, ran.outputs)
        elif cell.must_raise and not error:
            self._add(cell, f"raises nothing; it must raise {cell.raises}", code="raises-nothing")
        elif error and cell.raises not in error.bases:
            reason = f"must raise {cell.raises}; it raised {_name(error)}"
            self._add(cell, reason, error.frames, code="raises-another")
        try:
            shown = outputs.from_run(ran.outputs, error)
        except UnsafeOutput as problem:
            self._add(cell, str(problem), code="output-not-shown")
        else:
            self.cells[cell.name or f"line {cell.line}"] = CellResult(ran.seconds, shown)

    def check(self) -> End:
        """Raises Failures if anything was wrong."""
        end = self.end
        if not isinstance(end, End):
            silence = "it ended without a word (killed from outside, or out of memory)"
            reason = f"sandbox: {end.problem if end else silence}"
            raise Failures([*self.failures, Failure(self.notebook.path, 1, reason, "", "sandbox")])
        cell = self.notebook.code[end.cell]
        if end.verdict:
            limit = end.verdict.partition(":")[0].replace(" ", "-")
            self._add(cell, end.verdict, self._stack(end), end.output, limit)
        elif end.status != 0 and not self.failures:
            how = _how_it_ended(end.status or 0)
            self._add(cell, how, self._stack(end), end.output, "ended-early")
        elif not self.done and not self.failures:
            self._add(cell, _how_it_ended(0), [], end.output, "ended-early")
        if not self.failures:  # a run that failed had no chance to stop what it started
            self._add_left(end.left)
        if self.failures:
            raise Failures(self.failures)
        return end

    def _add(
        self,
        cell: Cell,
        reason: str,
        frames: Sequence[Frame] = (),
        output: Sequence[str] = (),
        code: str = "",
    ) -> None:
        """A failure at the innermost line of the notebook's own, or in one of its modules if no
        line of the notebook is known, or where the cell begins."""
        own = [frame for frame in frames if frame.file == self.notebook.label]
        modules = [frame for frame in frames if frame.file != self.notebook.label]
        path, line = self.notebook.path, cell.line
        if own:
            line = own[-1].line
        elif modules:
            path, line = self.notebook.files[modules[-1].file].path, modules[-1].line
        first, _, rest = printable(reason).partition("\n")
        details = [rest] if rest else []
        details += [f"at {name}:{at}" for name, at, _ in modules]
        details += ["last output:", *output] if output else []
        detail = "\n".join(details)
        fault = Failure(path, line, cell.fault(first), detail, code=code, cell=cell.name)
        self.failures.append(fault)

    def _add_error(self, cell: Cell, error: Error, shown: Iterable[Stream | Display]) -> None:
        reason = _name(error)
        if any(failure.reason == cell.fault(reason) for failure in self.failures):
            return  # it was reported where it happened
        text = "".join(output.text for output in shown if isinstance(output, Stream))
        code = "failed-assertion" if error.name == "AssertionError" else "exception"
        self._add(cell, reason, error.frames, text.splitlines()[-12:], code)

    def _add_faults(self, faults: Iterable[Fault], cell: Cell) -> None:
        for fault in faults:
            at = self._cell_of(fault.frames, cell)
            self._add(at, fault.reason, fault.frames, code=fault.code)

    def _cell_of(self, frames: Sequence[Frame], otherwise: Cell) -> Cell:
        """The cell in which the innermost line of the notebook's stands."""
        line = next((at for name, at, _ in reversed(frames) if name == self.notebook.label), 0)
        before = [cell for cell in self.notebook.code if cell.line <= line]
        return before[-1] if before else otherwise

    def _add_left(self, left: Iterable[Left]) -> None:
        for each in left:
            self._add(
                self.notebook.code[each.cell], f"left behind: {each.what}", code="left-behind"
            )

    def _stack(self, end: End) -> list[Frame]:
        """The notebook's own lines in what faulthandler wrote, outermost first."""
        found = FRAME.findall(end.stack)
        label = self.notebook.label
        return [Frame(name, int(line), "") for name, line in reversed(found) if name == label]


def _scalar(value: protocol.Value) -> Scalar:
    """Raises ValueError or ArithmeticError for what is none, or too large to be written out."""
    if isinstance(value, Exact):
        exact = Decimal(value.decimal)
        if exact.is_finite() and abs(exact.adjusted()) > MOST_DIGITS:
            raise ValueError("a number of too many digits")
        return exact
    if isinstance(value, int) and abs(value) >= 10**MOST_DIGITS:
        raise ValueError("a number of too many digits")
    return printable(value) if isinstance(value, str) else value


def _name(error: Error) -> str:
    """The fault by its own name, then Python's text."""
    text = f"{error.name}: {error.text}".strip(": ")
    if error.name in ("NetworkError", "OutsideError"):
        return error.text
    if error.name == "CalledProcessError":
        return f"failed command: {error.text}"
    named = NAMES_OF_ERRORS.get(error.errno or 0) or next(
        (NAMES_OF_TYPES[base] for base in error.bases if base in NAMES_OF_TYPES), ""
    )
    if not named and "can't allocate memory" in text:  # torch's own
        named = "memory limit"
    return f"{named}: {text}" if named else text


def _how_it_ended(status: int) -> str:
    if status == ENGINE_FAULT << 8:
        return "fault in the engine, not in the notebook"
    if status and (number := status & 0x7F):
        return f"the process crashed: {signal.Signals(number).name}"
    return f"ends before its end: os._exit({status >> 8})"
