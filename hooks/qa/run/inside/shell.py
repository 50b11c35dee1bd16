"""The IPython shell of a run: as in Jupyter, without terminal and history; a command that fails
raises."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from qa.run.inside import fonts
from qa.run.inside.display import Outputs

SHELL = ("bash", "-euo", "pipefail")
"""A command that fails in the middle of a pipe or a script fails the cell."""


class NotebookShell(InteractiveShell):
    """IPython without terminal and history; a shell command that fails raises."""

    has_inline_figures = False

    def init_display_pub(self) -> None:
        self.display_pub = Publisher(parent=self)

    def enable_gui(self, gui: str | None = None) -> None:
        """There is no window."""

    def showtraceback(self, exc_tuple: Any = None, *_: object, **__: object) -> None:
        """IPython's own would print what an object raises that shows itself, and go on."""
        error = (exc_tuple or sys.exc_info())[1]
        assert error is not None
        raise error

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


def written_command(command: object) -> str:
    """What the author wrote: IPython hands over scripts as bytes, `!` is run by SHELL."""
    if isinstance(command, bytes):
        return command.decode().partition("\n")[0]
    if isinstance(command, list):
        words = [str(word) for word in command]
        return words[-1] if words[: len(SHELL)] == [*SHELL] else " ".join(words)
    return str(command)
