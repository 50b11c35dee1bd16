"""Runs in the sandbox: executes the cells of one notebook as Jupyter would, and reports each.

Code is compiled under the notebook's own name and line numbers, so that every traceback, warning
and crash already tells the author's line.
"""

from __future__ import annotations

import ast
import asyncio
import base64
import gc
import inspect
import linecache
import os
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qa.run.inside import scalars
from qa.run.inside.frames import OwnFrames
from qa.run.inside.guards import guard_files_and_network
from qa.run.inside.shell import NotebookShell, Publisher, prepared_shell, written_command
from qa.run.inside.watch import LONGEST_TEXT, Watch
from qa.run.protocol import (
    Cell,
    Display,
    Done,
    Error,
    Example,
    Frame,
    FromRun,
    Limits,
    Ran,
    Starts,
    Stream,
)


class OutputFlood(RuntimeError):
    """More is shown than a run may show."""


class _Outputs:
    """What the cell that runs shows: text and displays in their order.

    Python's streams and those of child processes end in one file, as on a terminal.
    """

    def __init__(self, file: int, largest: int):
        self.file = file
        self.left = largest  # bytes that the run may still show
        self.position = 0
        self.outputs: list[Stream | Display] = []

    def add_text(self) -> None:
        """Take what was written since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        end = os.fstat(self.file).st_size
        if end > self.position:
            text = os.pread(self.file, end - self.position, self.position).decode(errors="replace")
            self.outputs.append(Stream(text))
            self.position = end

    def add_display(self, data: dict[str, Any]) -> None:
        self.add_text()
        plain = {
            kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for kind, value in data.items()
            if isinstance(value, bytes | str)
        }
        self.left -= sum(map(len, plain.values()))
        if self.left < 0:
            self.outputs.clear()
            raise OutputFlood("more figures and tables than a page can hold")
        self.outputs.append(Display(plain))

    def take(self) -> tuple[Stream | Display, ...]:
        self.add_text()
        taken, self.outputs = self.outputs, []
        return tuple(taken)


class CellRunner:
    """Executes a notebook; `report` sends a message and returns when it was taken note of."""

    def __init__(
        self,
        notebook: Example,
        work: Path,
        output: int,
        limits: Limits,
        report: Callable[[FromRun], None],
    ):
        self.notebook = notebook
        self.report = report
        self.cell = notebook.code[0]
        self.outputs = _Outputs(output, limits.report)
        self.own = OwnFrames(notebook, work)
        self.watch = Watch(self.own)
        guard_files_and_network(work.parent, self.watch.add)
        self.shell = self._adopt_shell()

    def _adopt_shell(self) -> NotebookShell:
        shell = prepared_shell()
        assert isinstance(shell.display_pub, Publisher)
        shell.display_pub.record = self.outputs.add_display
        sys.displayhook = self._show
        lines = self.notebook.text.splitlines(keepends=True)
        linecache.cache[self.notebook.label] = (0, None, lines, self.notebook.label)
        return shell

    def _show(self, value: object) -> None:
        """What the last line of a cell gives, unless it ends in a semicolon, as in Jupyter."""
        if value is None or self.cell.source.rstrip().endswith(";"):
            return
        self.shell.user_ns["_"] = value
        assert self.shell.display_formatter is not None
        data, _ = self.shell.display_formatter.format(value)
        self.outputs.add_display(data)

    def run(self) -> None:
        """All cells, until one fails, then the final values."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        with self.shell.builtin_trap:
            loop.run_until_complete(self._run_cells())
        values = scalars.scalars(self.shell.user_ns)
        kinds = scalars.kinds(self.shell.user_ns)
        self._clear(loop)
        self.report(Done(values, kinds, self.watch.take()))

    async def _run_cells(self) -> None:
        """Within a running event loop, as in Jupyter."""
        for index, cell in enumerate(self.notebook.code):
            self.cell = cell
            self.report(Starts(index))
            clock = time.perf_counter()
            error = await self._run_cell(cell)
            seconds = round(time.perf_counter() - clock, 4)
            self.report(Ran(index, seconds, self.outputs.take(), error, self.watch.take()))
            if error and not cell.must_raise:
                raise SystemExit(1)

    async def _run_cell(self, cell: Cell) -> Error | None:
        try:
            try:
                for code in self._compile(cell):
                    if code.co_flags & inspect.CO_COROUTINE:
                        await eval(code, self.shell.user_ns)
                    else:
                        exec(code, self.shell.user_ns)
            finally:
                self.shell.events.trigger("post_execute")  # draws the figures
        except BaseException as error:
            return self._describe(error)
        return None

    def _compile(self, cell: Cell) -> Iterator[types.CodeType]:
        """The cell's statements; the last one shows its value if it is an expression."""
        label, flags = self.notebook.label, ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        source = cell.source
        try:
            tree = ast.parse(source, label)
        except SyntaxError:
            tree = ast.parse(self.shell.transform_cell(source), label)
        ast.increment_lineno(tree, cell.line - 1)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        yield compile(tree, label, "exec", flags, dont_inherit=True)
        if last:
            yield compile(ast.Interactive([last]), label, "single", flags, dont_inherit=True)

    def _describe(self, error: BaseException) -> Error:
        frames = self.own.of(error)
        if isinstance(error, SyntaxError) and error.filename == self.notebook.label:
            frames = [Frame(self.notebook.label, error.lineno or self.cell.line, "")]
        text, code = str(error), getattr(error, "errno", None)
        if isinstance(error, AssertionError) and not text and frames:
            text = linecache.getline(*frames[-1][:2]).strip()
        if isinstance(error, subprocess.CalledProcessError):
            text = f"exit status {error.returncode}: {written_command(error.cmd)}"
        return Error(
            name=type(error).__qualname__,
            bases=tuple(base.__qualname__ for base in type(error).__mro__),
            text=text[:LONGEST_TEXT],
            errno=code if type(code) is int else None,
            frames=tuple(frames),
        )

    def _clear(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop the notebook's variables: what was never awaited or fails at its end shows now."""
        self.shell.user_ns.clear()
        for name in ("last_type", "last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        gc.collect()
        loop.close()
