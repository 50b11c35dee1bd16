"""Runs in the sandbox: executes the cells of one notebook as Jupyter would, and reports each.

Code is compiled under the notebook's own name and line numbers, so that every traceback, warning
and crash already tells the author's line.
"""

from __future__ import annotations

import ast
import asyncio
import gc
import inspect
import linecache
import subprocess
import sys
import threading
import time
import tokenize
import types
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from IPython.core.displayhook import DisplayHook

from qa.run.inside import scalars
from qa.run.inside.asserts import Assertions
from qa.run.inside.display import Outputs
from qa.run.inside.frames import OwnFrames
from qa.run.inside.guards import guard_files_and_network
from qa.run.inside.shell import Compiler, NotebookShell, Publisher, prepared_shell, written_command
from qa.run.inside.sweeps import Sweeps
from qa.run.inside.watch import LONGEST_TEXT, Watch
from qa.run.protocol import (
    Cell,
    Done,
    Error,
    Example,
    Exited,
    Frame,
    FromRun,
    Limits,
    Ran,
    Starts,
)

TIME_TO_END = 0.5
"""Seconds in which tasks and threads may end after the last cell."""
LEFT = "left-behind"


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
        self.own = OwnFrames(notebook, work)
        self.watch = Watch(self.own)
        self.outputs = Outputs(output, limits.report, self.watch.add_output)
        self.assertions = Assertions(self.own, self.watch.add)
        guard_files_and_network(work.parent, self.watch.add_network)
        self.shell = self._adopt_shell()
        self.sweeps = Sweeps(self.shell.user_ns, self._add_to_cell)

    def _adopt_shell(self) -> NotebookShell:
        shell = prepared_shell()
        assert isinstance(shell.display_pub, Publisher)
        shell.display_pub.outputs = self.outputs
        sys.displayhook = self._show
        assert isinstance(shell.compile, Compiler)
        shell.compile.label = label = self.notebook.label
        shell.compile.find = self._find
        shell.compile.rewrite = self._rewrite
        lines = [f"{line}\n" for line in self.notebook.text.split("\n")]
        linecache.cache[label] = (0, None, lines, label)
        return shell

    def _show(self, value: object) -> None:
        """What the last line of a cell gives, unless it ends in a semicolon, as in Jupyter."""
        if value is None or _is_quiet(self.cell.source):
            return
        if self.cell.flips and (figure := self.sweeps.figure(self.cell, value)):
            self._display(figure)
        self.shell.user_ns["_"] = value
        self._display(value)

    def _display(self, value: object) -> None:
        assert self.shell.display_formatter is not None
        data, _ = self.shell.display_formatter.format(value)
        self.outputs.show(data)

    def _add_to_cell(self, cell: Cell, reason: str, code: str) -> None:
        self.watch.add(reason, [Frame(self.notebook.label, cell.line, "")], code)

    def _rewrite(self, tree: ast.Module) -> None:
        self.assertions.rewrite(tree, self.notebook.label, required=not self.cell.must_raise)

    def run(self) -> None:
        """All cells, until one fails, then the final values."""
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        with self.shell.builtin_trap:
            loop.run_until_complete(self._run_cells())
        self.sweeps.check_values()
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
            shown = self.outputs.take()
            if cell.flips and not error:
                self.sweeps.check_shown(cell, shown)
            self.report(Ran(index, seconds, shown, error, self.watch.take()))
            if error and not cell.must_raise:
                raise SystemExit(1)
        await self._end_tasks()

    async def _end_tasks(self) -> None:
        """What still waits may fail later, and then nobody would see it."""
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if not others:
            return
        _, pending = await asyncio.wait(others, timeout=TIME_TO_END)
        for task in pending:
            frames = [(frame.f_code.co_filename, frame.f_lineno) for frame in task.get_stack()]
            own = [Frame(name, at, "") for file, at in frames if (name := self.own.name_of(file))]
            name = getattr(task.get_coro(), "__qualname__", task.get_name())
            self.watch.add(f"left behind: task {name}, which has not ended", own, code=LEFT)
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=TIME_TO_END)

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
            self.assertions.accept(self.own.of(error))
            self.watch.end_child(error)
            return self._describe(error)
        return None

    def _compile(self, cell: Cell) -> Iterator[types.CodeType]:
        """The cell's statements; the last one shows its value if it is an expression."""
        compiler = self.shell.compile
        assert isinstance(compiler, Compiler)
        try:
            tree = compiler.tree(cell.source, cell.line)
        except SyntaxError:
            tree = compiler.tree(self.shell.transform_cell(cell.source), cell.line)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        with compiler.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT):
            yield compiler(tree, self.notebook.label, "exec")
            if last:
                yield compiler(ast.Interactive([last]), self.notebook.label, "single")

    def _find(self, source: str) -> int:
        """The line on which code stands that a magic hands over, at or below the magic; or 0."""
        frames = [line for name, line, _ in self.own.here() if name == self.notebook.label]
        magic = frames[-1] - self.cell.line if frames else -1
        lines = self.cell.source.split("\n")
        if not source.strip() or not 0 <= magic < len(lines):
            return 0
        before, found, _ = "\n".join(lines[magic:]).partition(source.strip("\n"))
        return frames[-1] + before.count("\n") if found else 0

    def _describe(self, error: BaseException) -> Error:
        frames = self.own.of(error)
        if isinstance(error, SyntaxError) and error.filename == self.notebook.label:
            frames = [Frame(self.notebook.label, error.lineno or self.cell.line, "")]
        text, code = str(error), getattr(error, "errno", None)
        if isinstance(error, SyntaxError):
            text = error.msg
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

    def report_rest(self) -> None:
        """The last word, when all threads and what `atexit` calls have ended."""
        self._report_threads()
        self.watch.unasked.report_all()
        self.assertions.report_silent()
        self.report(Exited(self.watch.take()))

    def _report_threads(self) -> None:
        """Of the author's that go on: what they raise from now on, nobody would see."""
        deadline = time.monotonic() + TIME_TO_END
        for thread in threading.enumerate():
            if thread is not threading.current_thread() and self._frames_of(thread):
                thread.join(max(0, deadline - time.monotonic()))
                if thread.is_alive():
                    frames = self._frames_of(thread)
                    self.watch.add(f"left behind: thread {thread.name}", frames, code=LEFT)

    def _frames_of(self, thread: threading.Thread) -> list[Frame]:
        frame = sys._current_frames().get(thread.ident or 0)
        return self.own.among_stack(frame) if frame else []

    def _clear(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop the notebook's variables: what was never awaited or fails at its end shows now."""
        self.shell.user_ns.clear()
        for name in ("last_type", "last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        gc.collect()
        loop.close()


def _is_quiet(source: str) -> bool:
    """Whether the last statement ends in a semicolon, whatever comment stands behind it."""
    with suppress(tokenize.TokenError, SyntaxError):
        return bool(DisplayHook.semicolon_at_end_of_expression(source))
    return False
