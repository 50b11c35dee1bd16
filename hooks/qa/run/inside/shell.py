"""The IPython shell of a run: as in Jupyter, without terminal and history; a command that fails
raises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

SHELL = ("bash", "-euo", "pipefail")
"""A command that fails in the middle of a pipe or a script fails the cell."""


class NotebookShell(InteractiveShell):
    """IPython without terminal and history; a shell command that fails raises."""

    has_inline_figures = False

    def init_display_pub(self) -> None:
        self.display_pub = Publisher(parent=self)

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

    record: Callable[[dict[str, Any]], None]

    def publish(self, data: dict[str, Any], *_: object, **__: object) -> None:
        self.record(data)


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


def written_command(command: object) -> str:
    """What the author wrote: IPython hands over scripts as bytes, `!` is run by SHELL."""
    if isinstance(command, bytes):
        return command.decode().partition("\n")[0]
    if isinstance(command, list):
        words = [str(word) for word in command]
        return words[-1] if words[: len(SHELL)] == [*SHELL] else " ".join(words)
    return str(command)
