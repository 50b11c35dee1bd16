"""Runs in the sandbox: executes the cells of one notebook as Jupyter would, and reports each.

Code is compiled under the notebook's own name and line numbers, so that every traceback, warning
and crash already tells the author's line.
"""

from __future__ import annotations

import ast
import asyncio
import atexit
import base64
import faulthandler
import gc
import inspect
import io
import linecache
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from qa.run.inside import sandbox, scalars
from qa.run.inside.guards import guard_files_and_network
from qa.run.notebook import Cell, Notebook

LONGEST_TEXT = 4000
SHELL = ("bash", "-euo", "pipefail")
"""A command that fails in the middle of a pipe or a script fails the cell."""

Event = dict[str, Any]


class NotebookShell(InteractiveShell):
    """IPython without terminal and history; a shell command that fails raises."""

    has_inline_figures = False

    def init_display_pub(self) -> None:
        self.display_pub = _Publisher(parent=self)

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no window."""

    def system(self, command: str) -> None:
        sys.stdout.flush()
        subprocess.run([*SHELL, "-c", self._expanded(command)], check=True)

    system_raw = system_piped = system

    def getoutput(self, command: str, split: bool = True, depth: int = 0) -> Any:
        from IPython.utils.text import SList

        ran = [*SHELL, "-c", self._expanded(command)]
        text = subprocess.run(ran, check=True, stdout=subprocess.PIPE, text=True).stdout
        return SList(text.splitlines()) if split else text

    def _expanded(self, command: str) -> str:
        """`$name` and `{expression}` replaced by the notebook's variables, as in Jupyter."""
        return str(self.var_expand(command, depth=3))


def prepared_shell() -> NotebookShell:
    """The one shell of this process. It takes a while to make, so the server does, once."""
    if NotebookShell.initialized():
        shell = NotebookShell.instance()
    else:
        config = Config()
        config.HistoryManager.enabled = False
        config.NotebookShell.colors = "nocolor"
        config.InlineBackend.figure_formats = {"svg", "png"}
        script = " ".join(SHELL)
        config.ScriptMagics.script_paths = {"bash": script, "sh": script}
        shell = NotebookShell.instance(config=config)
        for name in ("exit", "quit"):  # IPython's own would do nothing here
            shell.user_ns.pop(name, None)
    if "matplotlib.pyplot" in sys.modules and not shell.has_inline_figures:
        shell.enable_matplotlib("inline")
        shell.has_inline_figures = True
    return shell


class _Publisher(DisplayPublisher):
    """Hands what `display()` shows to the recorder."""

    record: Callable[[dict[str, Any]], None]

    def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
        self.record(data)


class OutputFlood(RuntimeError):
    """More is shown than a run may show."""


class _Outputs:
    """Jupyter outputs (nbformat 4) of the cell that runs: text and displays in their order.

    Python's streams and those of child processes end in one file, as on a terminal.
    """

    def __init__(self, file: int, largest: int):
        self.file = file
        self.left = largest  # bytes that the run may still show
        self.position = 0
        self.outputs: list[dict[str, Any]] = []

    def add_text(self) -> None:
        """Take what was written since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        end = os.fstat(self.file).st_size
        if end > self.position:
            text = os.pread(self.file, end - self.position, self.position).decode(errors="replace")
            self.outputs.append({"output_type": "stream", "name": "stdout", "text": text})
            self.position = end

    def add_display(self, data: dict[str, Any]) -> None:
        self.add_text()
        plain = {
            kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
            for kind, value in data.items()
        }
        self.left -= sum(len(value) for value in plain.values() if isinstance(value, str))
        if self.left < 0:
            self.outputs.clear()
            raise OutputFlood("more figures and tables than a page can hold")
        self.outputs.append({"output_type": "display_data", "data": plain, "metadata": {}})

    def take(self) -> list[dict[str, Any]]:
        self.add_text()
        taken, self.outputs = self.outputs, []
        return taken


class CellRunner:
    """Executes a notebook; `report` sends an event and returns when it was taken note of."""

    def __init__(
        self,
        notebook: Notebook,
        work: Path,
        output: int,
        limits: sandbox.Limits,
        report: Callable[[Event], None],
    ):
        self.notebook = notebook
        self.work = work
        self.report = report
        self.faults: list[Event] = []
        self.cell = notebook.code[0]
        self.outputs = _Outputs(output, limits.report)
        self.shell = self._adopt_shell()
        self._watch()

    def _adopt_shell(self) -> NotebookShell:
        shell = prepared_shell()
        assert isinstance(shell.display_pub, _Publisher)
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
        self.report(
            {"event": "done", "values": values, "kinds": kinds, "faults": self._take_faults()}
        )

    async def _run_cells(self) -> None:
        """Within a running event loop, as in Jupyter."""
        for index, cell in enumerate(self.notebook.code):
            self.cell = cell
            self.report({"event": "starts", "cell": index})
            clock = time.perf_counter()
            error = await self._run_cell(cell)
            self.report(
                {
                    "event": "ran",
                    "cell": index,
                    "seconds": round(time.perf_counter() - clock, 4),
                    "outputs": self.outputs.take(),
                    "error": error,
                    "faults": self._take_faults(),
                }
            )
            if error and not cell.must_raise:
                raise SystemExit(1)

    async def _run_cell(self, cell: Cell) -> Event | None:
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

    def _describe(self, error: BaseException) -> Event:
        frames = self.own_frames(traceback.extract_tb(error.__traceback__))
        if isinstance(error, SyntaxError) and error.filename == self.notebook.label:
            frames = [(self.notebook.label, error.lineno or self.cell.line, "")]
        text = str(error)
        if isinstance(error, AssertionError) and not text and frames:
            text = linecache.getline(*frames[-1][:2]).strip()
        if isinstance(error, subprocess.CalledProcessError):
            text = f"exit status {error.returncode}: {_command(error.cmd)}"
        return {
            "name": type(error).__qualname__,
            "bases": [base.__qualname__ for base in type(error).__mro__],
            "text": text[:LONGEST_TEXT],
            "errno": getattr(error, "errno", None),
            "frames": frames,
        }

    def own_frames(self, frames: traceback.StackSummary) -> list[tuple[str, int, str]]:
        """File, line and function of those that stand in the notebook or its files."""
        return [
            (self._own_name(frame.filename), frame.lineno or 0, frame.name)
            for frame in frames
            if self._own_name(frame.filename)
        ]

    def _own_name(self, filename: str) -> str:
        """The name under which the author knows a file, empty for all others."""
        if filename == self.notebook.label:
            return filename
        with suppress(ValueError):
            name = str(Path(filename).relative_to(self.work))
            return name if name in self.notebook.files else ""
        return ""

    def add_fault(self, reason: str, frames: list[tuple[str, int, str]] | None = None) -> None:
        """Note what went wrong outside the cell's own control flow."""
        if not frames:
            here = traceback.StackSummary.extract(traceback.walk_stack(sys._getframe()))
            frames = self.own_frames(traceback.StackSummary.from_list(list(reversed(here))))
        self.faults.append({"reason": reason[:LONGEST_TEXT], "frames": frames})

    def _take_faults(self) -> list[Event]:
        taken, self.faults = self.faults, []
        return taken

    def _watch(self) -> None:
        """Let nothing that Python only prints, logs or swallows pass unseen."""
        warnings.showwarning = self._on_warning
        own = {"__main__", *(Path(name).stem for name in self.notebook.files)}
        for category in (DeprecationWarning, PendingDeprecationWarning):
            warnings.filterwarnings("always", category=category, module=f"({'|'.join(own)})\\Z")
        sys.set_coroutine_origin_tracking_depth(1)
        sys.unraisablehook = self._on_unraisable
        threading.excepthook = self._on_thread_exception
        handler = logging.Handler(logging.ERROR)
        handler.emit = self._on_asyncio_error  # type: ignore[method-assign]
        logging.getLogger("asyncio").addHandler(handler)
        guard_files_and_network(self.work.parent, self.add_fault)

    def _on_warning(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: object = None,
        line: str | None = None,
    ) -> None:
        text = str(message)
        own = self._own_name(filename)
        if "was never awaited" in text:
            first, *rest = text.splitlines()
            made = [part for part in rest if 'File "' in part]
            frames = [frame for part in made for frame in self._parse_frame(part)]
            self.add_fault(first, frames)
        elif own and issubclass(
            category, DeprecationWarning | PendingDeprecationWarning | FutureWarning
        ):
            self.add_fault(f"{category.__name__}: {text}", [(own, lineno, "")])
        else:
            sys.stderr.write(warnings.formatwarning(text, category, filename, lineno, line))

    def _parse_frame(self, line: str) -> Iterator[tuple[str, int, str]]:
        """From `File "name", line 3, in f`."""
        _, filename, rest = line.split('"', 2)
        if own := self._own_name(filename):
            yield own, int(rest.split(",")[1].split()[-1]), ""

    def _on_unraisable(self, failed: Any) -> None:
        where = getattr(failed.object, "__qualname__", type(failed.object).__name__)
        frames = self.own_frames(traceback.extract_tb(failed.exc_traceback))
        reason = f"exception that nobody can catch, in {where}: {_one_line(failed.exc_value)}"
        self.add_fault(reason, frames)

    def _on_thread_exception(self, failed: Any) -> None:
        frames = self.own_frames(traceback.extract_tb(failed.exc_traceback))
        error = failed.exc_value or failed.exc_type()
        self.add_fault(f"exception in a thread: {_one_line(error)}", frames)

    def _on_asyncio_error(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        frames = self.own_frames(traceback.extract_tb(error.__traceback__)) if error else []
        what = record.getMessage().splitlines()[0]
        self.add_fault(f"asyncio: {what}{f': {_one_line(error)}' if error else ''}", frames)

    def _clear(self, loop: asyncio.AbstractEventLoop) -> None:
        """Drop the notebook's variables: what was never awaited or fails at its end shows now."""
        self.shell.user_ns.clear()
        for name in ("last_type", "last_value", "last_traceback"):
            sys.__dict__.pop(name, None)
        gc.collect()
        loop.close()


def _command(command: object) -> str:
    """What the author wrote: IPython hands over scripts as bytes, `!` is run by SHELL."""
    if isinstance(command, bytes):
        return command.decode().partition("\n")[0]
    if isinstance(command, list):
        words = [str(word) for word in command]
        return words[-1] if words[: len(SHELL)] == [*SHELL] else " ".join(words)
    return str(command)


def _one_line(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}".strip(": ").partition("\n")[0]


def redirect_output(file: int) -> None:
    """Let Python's streams and those of child processes end in `file`."""
    for number in (1, 2):
        os.dup2(file, number)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for name, number in (("stdout", 1), ("stderr", 2)):
        raw = io.FileIO(number, "wb", closefd=False)
        stream = io.TextIOWrapper(raw, "utf-8", "replace", line_buffering=True, write_through=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def crash_reports(file: int) -> None:
    """Write Python's stack to `file` at a crash, and when the supervisor asks where the run is."""
    faulthandler.enable(file, all_threads=False)
    faulthandler.register(signal.SIGUSR1, file, all_threads=False)


def exit_after(run: Callable[[], None]) -> NoReturn:
    """End as Python would, finalizers of threads and `atexit` included, but without its teardown.

    That would take seconds with large libraries loaded, and nothing here needs saving.
    """
    status = 0
    try:
        run()
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:
        traceback.print_exc()
        status = sandbox.ENGINE_FAULT
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    os._exit(status)
