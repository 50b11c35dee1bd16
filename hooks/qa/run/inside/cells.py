"""Runs in the sandbox: executes the cells of one notebook as Jupyter would, and reports each.

Code is compiled under the notebook's own name and line numbers, so that every traceback, warning
and crash already tells the author's line.
"""

from __future__ import annotations
import __future__

import ast
import asyncio
import functools
import gc
import inspect
import linecache
import operator
import subprocess
import sys
import time
import types
from collections.abc import Callable, Iterator
from pathlib import Path

from qa.run.inside import scalars
from qa.run.inside.display import Outputs
from qa.run.inside.frames import OwnFrames
from qa.run.inside.guards import guard_files_and_network
from qa.run.inside.shell import NotebookShell, Publisher, prepared_shell, written_command
from qa.run.inside.watch import LONGEST_TEXT, Watch
from qa.run.protocol import (
    Cell,
    Done,
    Error,
    Example,
    Frame,
    FromRun,
    Limits,
    Ran,
    Starts,
)

FUTURE = functools.reduce(
    operator.or_, (getattr(__future__, name).compiler_flag for name in __future__.all_feature_names)
)


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
        self.flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        self.own = OwnFrames(notebook, work)
        self.watch = Watch(self.own)
        self.outputs = Outputs(output, limits.report, self.watch.add_output)
        guard_files_and_network(work.parent, self.watch.add)
        self.shell = self._adopt_shell()

    def _adopt_shell(self) -> NotebookShell:
        shell = prepared_shell()
        assert isinstance(shell.display_pub, Publisher)
        shell.display_pub.outputs = self.outputs
        sys.displayhook = self._show
        lines = self.notebook.text.splitlines(keepends=True)
        linecache.cache[self.notebook.label] = (0, None, lines, self.notebook.label)
        return shell

    def _show(self, value: object) -> None:
        """What the last line of a cell gives."""
        if value is None:
            return
        self.shell.user_ns["_"] = value
        assert self.shell.display_formatter is not None
        data, _ = self.shell.display_formatter.format(value)
        self.outputs.show(data)

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
        """The cell's statements; the last one shows its value if it is an expression without a
        semicolon. What a cell takes `from __future__` holds for those below it."""
        label, source = self.notebook.label, cell.source
        try:
            tree = ast.parse(source, label)
        except SyntaxError:
            source = self.shell.transform_cell(source)
            tree = ast.parse(source, label)
        shows = bool(tree.body) and _shows_its_value(tree.body[-1], source)
        ast.increment_lineno(tree, cell.line - 1)
        last = tree.body.pop() if shows else None
        code = compile(tree, label, "exec", self.flags, dont_inherit=True)
        self.flags |= code.co_flags & FUTURE
        yield code
        if last:
            shown = ast.Interactive([last])
            yield compile(shown, label, "single", self.flags, dont_inherit=True)

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


def _shows_its_value(last: ast.stmt, source: str) -> bool:
    """Of a cell's last statement: it is an expression, and no semicolon stands behind it."""
    assert last.end_lineno and last.end_col_offset is not None
    line = source.encode().splitlines()[last.end_lineno - 1]
    return isinstance(last, ast.Expr) and not line[last.end_col_offset :].lstrip().startswith(b";")
