"""The IPython shell of a run: as in Jupyter, but what fails raises, at the author's own line."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from IPython.core.compilerop import CachingCompiler
from IPython.core.displaypub import DisplayPublisher
from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magics.script import ScriptMagics
from IPython.utils.process import arg_split  # type: ignore[attr-defined]
from traitlets import Type
from traitlets.config import Config

from qa.run.inside import fonts
from qa.run.inside.display import Outputs
from qa.run.inside.magics import LineKeeper

SHELL = ("bash", "-euo", "pipefail")
"""A command that fails in the middle of a pipe or a script fails the cell."""


SHELL_IN_A_SCRIPT = re.compile(r"(?<!\S)(?:\S*/)?(?:ba)?sh(?!\S)")
UNSEEN = {"--bg", "--no-raise-error"}
"""Options of magics with which a failure would not be seen."""


class Compiler(CachingCompiler):
    """Compiles code of the notebook under its own name and lines, also what magics hand over."""

    label = ""
    find: Callable[[str], int]
    """The line on which code begins that stands in the cell that runs; 0 if it stands nowhere."""
    rewrite: Callable[[ast.Module], None]

    def ast_parse(self, source: str, filename: str = "<unknown>", symbol: str = "exec") -> ast.AST:
        if line := self.find(source):
            return self.tree(source.lstrip("\n"), line)
        return super().ast_parse(source, filename, symbol)

    def tree(self, source: str, line: int) -> ast.Module:
        """Of code that begins on a line of the notebook."""
        tree = super().ast_parse("\n" * (line - 1) + source, self.label)
        assert isinstance(tree, ast.Module)
        self.rewrite(tree)
        for node in ast.walk(tree):
            if hasattr(node, "lineno"):  # the others are shared between all trees
                node.is_own = True  # type: ignore[attr-defined]
        return tree

    def raise_at(self, line: int, error: Exception) -> NoReturn:
        """As if that line of the notebook did, and not what it called."""
        code = compile("\n" * (line - 1) + "raise error", self.label, "exec")
        exec(code, {"error": error.with_traceback(None)})
        raise AssertionError

    def __call__(self, source: Any, filename: str, symbol: str) -> types.CodeType:
        """Names of the future that one cell imports are valid for all later ones."""
        own = any(hasattr(node, "is_own") for node in ast.walk(source))
        return super().__call__(source, self.label if own else filename, symbol)


class NotebookShell(InteractiveShell):
    """IPython without terminal and history, in which nothing fails unseen."""

    compiler_class = Type(Compiler)
    has_inline_figures = False

    def __init__(self, **named: Any):
        super().__init__(**named)  # type: ignore[no-untyped-call]
        self.input_transformer_manager = LineKeeper()

    def init_display_pub(self) -> None:
        self.display_pub = Publisher(parent=self)

    def showtraceback(self, exc_tuple: Any = None, *_: object, **__: object) -> None:
        """IPython would print what a magic's code raises, or an object that shows itself."""
        error = (exc_tuple or sys.exc_info())[1]
        assert error is not None
        raise error

    def showsyntaxerror(self, *_: object, **__: object) -> None:
        self.showtraceback()

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        _refuse_unseen(line)
        return super().run_line_magic(magic_name, line, _stack_depth + 1)

    def run_cell(self, *arguments: Any, **named: Any) -> Any:
        result = super().run_cell(*arguments, **named)  # type: ignore[no-untyped-call]
        result.raise_error()
        return result

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        _refuse_unseen(line)
        if magic_name == "script":
            line = SHELL_IN_A_SCRIPT.sub(" ".join(SHELL), line, count=1)
            _refuse_missing(line)
        run = partial(super().run_cell_magic, magic_name, line)
        if magic_name in ("bash", "sh") or " ".join(SHELL) in line:
            return self._run_script(run, cell)
        return run(cell)

    def _run_script(self, run: Callable[[str], Any], script: str) -> Any:
        """A script that fails raises at its own line, if Bash knows it."""
        note = Path(tempfile.gettempdir(), ".failed-line")
        note.unlink(missing_ok=True)
        try:
            return run(f"set -E; trap 'echo $LINENO > {note}' ERR; {script}")
        except subprocess.CalledProcessError as error:
            assert isinstance(self.compile, Compiler)
            if not note.exists():
                error.cmd = SHELL[0]
                raise
            number = int(note.read_text())
            error.cmd = script.split("\n")[number - 1].strip()
            self.compile.raise_at(self.compile.find(script) + number - 1, error)

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


class Publisher(DisplayPublisher):
    """Hands what `display()` shows to the recorder."""

    outputs: Outputs

    def publish(
        self,
        data: dict[str, Any],
        *_: object,
        transient: dict[str, str] | None = None,
        update: bool = False,
        **__: object,
    ) -> None:
        self.outputs.show(data, (transient or {}).get("display_id"), update)

    def clear_output(self, wait: bool = False) -> None:
        self.outputs.clear(wait)


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
        fonts.add_chinese()
        shell.has_inline_figures = True
    return shell


def _refuse_unseen(line: str) -> None:
    if found := UNSEEN & set(line.split()):
        raise UsageError(f"{found.pop()}: a failure would not be seen")


def _refuse_missing(line: str) -> None:
    """IPython prints that there is no such program, and goes on."""
    _, command = ScriptMagics.shebang.parser.parse_known_args(arg_split(line))
    if command and not shutil.which(command[0]):
        raise FileNotFoundError(f"there is no program {command[0]}")


def written_command(command: object) -> str:
    """What the author wrote: IPython hands over scripts as bytes, `!` is run by SHELL."""
    if isinstance(command, bytes):
        return command.decode().partition("\n")[0]
    if isinstance(command, list):
        words = [str(word) for word in command]
        return words[-1] if words[: len(SHELL)] == [*SHELL] else " ".join(words)
    return str(command)
