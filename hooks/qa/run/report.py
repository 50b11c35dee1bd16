"""Run one notebook in a sandbox: events in, a result or located failures out."""

from __future__ import annotations

import errno
import json
import re
import signal
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from qa.failures import Failure, Failures
from qa.run import environment, outputs
from qa.run.forkserver import ForkServer, Run
from qa.run.inside.sandbox import ENGINE_FAULT, limits_of
from qa.run.notebook import Cell, Notebook
from qa.run.store import CellResult, Result, decode_scalar

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

Event = dict[str, Any]


def run(notebook: Notebook, server: ForkServer, isolate: bool = True) -> Result:
    """Execute all cells in order, stopping at the first that fails.

    Raises Failures with the notebook's own file and line.
    """
    started = datetime.now(UTC)
    clock = time.perf_counter()
    limits = limits_of(notebook.seconds)
    request = Run(notebook, installed_imports(notebook), limits, isolate)
    report = _Report(notebook)
    with server.start(request) as connection:
        try:
            for event in _events(connection):
                report.take(event)
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            report.end = {"problem": f"it reports what makes no sense: {error!r}"}
    report.check()
    return Result(
        notebook=notebook.name,
        cells=report.cells,
        values={name: decode_scalar(value) for name, value in report.values.items()},
        kinds=report.kinds,
        seconds=round(time.perf_counter() - clock, 3),
        processor_seconds=report.end["processor_seconds"],
        peak_memory_bytes=report.end["peak_memory"],
        started=started.isoformat(timespec="seconds"),
        python=environment.python()["python"],
        system=f"{environment.python()['system']} {environment.python()['machine']}",
        processor=environment.processor(),
        distributions=environment.imported_distributions(notebook.facts.modules),
    )


def installed_imports(notebook: Notebook) -> tuple[str, ...]:
    """Modules of installed distributions that the notebook and its own modules import."""
    known = environment.installed().modules
    return tuple(name for name in notebook.facts.imports if name.partition(".")[0] in known)


def _events(connection: socket.socket) -> Iterator[Event]:
    with connection.makefile("rb") as stream:
        for line in stream:
            yield json.loads(line)


class _Report:
    """What a run has said so far. The code that speaks is not trusted: only data are taken."""

    def __init__(self, notebook: Notebook):
        self.notebook = notebook
        self.cells: dict[str, CellResult] = {}
        self.values: dict[str, Any] = {}
        self.kinds: dict[str, str] = {}
        self.end: Event = {}
        self.done = False
        self.failures: list[Failure] = []

    def take(self, event: Event) -> None:
        getattr(self, f"_take_{event['event']}")(event)

    def _take_starts(self, event: Event) -> None:
        pass

    def _take_ran(self, event: Event) -> None:
        cell = self.notebook.code[event["cell"]]
        self._add_faults(event, cell)
        error = event["error"]
        if error and not cell.must_raise:
            self._add_error(cell, error, event["outputs"])
        elif cell.must_raise and not error:
            self._add(cell, f"raises nothing; it must raise {cell.raises}")
        elif error and cell.raises not in error["bases"]:
            self._add(cell, f"must raise {cell.raises}; it raised {_name(error)}", error["frames"])
        try:
            safe = outputs.make_safe(event["outputs"] + _shown(error))
        except outputs.UnsafeOutput as problem:
            self._add(cell, str(problem))
        else:
            self.cells[cell.name or f"line {cell.line}"] = CellResult(event["seconds"], safe)

    def _take_done(self, event: Event) -> None:
        self.done = True
        self.values, self.kinds = event["values"], event["kinds"]
        self._add_faults(event, self.notebook.code[-1])

    def _take_ports(self, event: Event) -> None:
        self._add_left(event["left"])

    def _take_end(self, event: Event) -> None:
        self.end = event

    def check(self) -> None:
        """Raises Failures if anything was wrong."""
        end = self.end
        if "problem" in end:
            self.failures.append(Failure(self.notebook.path, 1, f"sandbox: {end['problem']}"))
        elif not end:
            reason = "sandbox: it ended without a word (killed from outside, or out of memory)"
            self.failures.append(Failure(self.notebook.path, 1, reason))
        else:
            cell = self.notebook.code[end["cell"]]
            if end["verdict"]:
                self._add(cell, end["verdict"], self._stack(), end["output"])
            elif end["status"] != 0 and not self.failures:
                self._add(cell, _how_it_ended(end["status"]), self._stack(), end["output"])
            elif not self.done and not self.failures:
                self._add(cell, _how_it_ended(0), [], end["output"])
            if not self.failures:  # a run that failed had no chance to stop what it started
                self._add_left(end["left"])
        if self.failures:
            raise Failures(self.failures)

    def _add(
        self,
        cell: Cell,
        reason: str,
        frames: list[tuple[str, int, str]] | None = None,
        output: list[str] | None = None,
    ) -> None:
        """A failure at the innermost line of the notebook's own, or in one of its modules if no
        line of the notebook is known, or where the cell begins."""
        own = [frame for frame in frames or [] if frame[0] == self.notebook.label]
        modules = [frame for frame in frames or [] if frame[0] != self.notebook.label]
        path, line = self.notebook.path, cell.line
        if own:
            line = own[-1][1]
        elif modules:
            path, line = self.notebook.files[modules[-1][0]].path, modules[-1][1]
        first, _, rest = outputs.without_ansi(reason).partition("\n")
        details = [rest] if rest else []
        details += [f"at {name}:{at}" for name, at, _ in modules]
        details += ["last output:", *map(outputs.without_ansi, output)] if output else []
        self.failures.append(Failure(path, line, cell.fault(first), "\n".join(details)))

    def _add_error(self, cell: Cell, error: Event, shown: list[Event]) -> None:
        reason = _name(error)
        if any(failure.reason == cell.fault(reason) for failure in self.failures):
            return  # it was reported where it happened
        text = "".join(o["text"] for o in shown if o["output_type"] == "stream")
        self._add(cell, reason, error["frames"], text.splitlines()[-12:])

    def _add_faults(self, event: Event, cell: Cell) -> None:
        for fault in event["faults"]:
            self._add(self._cell_of(fault["frames"], cell), fault["reason"], fault["frames"])

    def _cell_of(self, frames: list[tuple[str, int, str]], otherwise: Cell) -> Cell:
        """The cell in which the innermost line of the notebook's stands."""
        line = next((at for name, at, _ in reversed(frames) if name == self.notebook.label), 0)
        before = [cell for cell in self.notebook.code if cell.line <= line]
        return before[-1] if before else otherwise

    def _add_left(self, left: list[tuple[str, int]]) -> None:
        for name, index in left:
            self._add(self.notebook.code[index], f"left behind: {name}")

    def _stack(self) -> list[tuple[str, int, str]]:
        """The notebook's own lines in what faulthandler wrote, outermost first."""
        found = FRAME.findall(self.end["stack"])
        label = self.notebook.label
        return [(name, int(line), "") for name, line in reversed(found) if name == label]


def _name(error: Event) -> str:
    """The fault by its own name, then Python's text."""
    text = f"{error['name']}: {error['text']}".strip(": ")
    if error["name"] in ("NetworkError", "OutsideError"):
        return str(error["text"])
    if error["name"] == "CalledProcessError":
        return f"failed command: {error['text']}"
    named = NAMES_OF_ERRORS.get(error["errno"]) or next(
        (NAMES_OF_TYPES[base] for base in error["bases"] if base in NAMES_OF_TYPES), ""
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


def _shown(error: Event | None) -> list[Event]:
    """The output of a cell that raised as it must."""
    if not error:
        return []
    return [{"output_type": "error", "ename": error["name"], "evalue": error["text"]}]
