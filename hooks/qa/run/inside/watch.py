"""Notes what nobody catches: in threads, in finalizers, in asyncio, and warnings."""

from __future__ import annotations

import logging
import re
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from qa.run.inside.frames import OwnFrames
from qa.run.protocol import Fault, Frame

LONGEST_TEXT = 4000

GLYPH = re.compile(r"Glyph (\d+) .*missing from")
"""What Matplotlib warns of."""
NO_FONT = "no font here has the character"
OUTDATED = DeprecationWarning | PendingDeprecationWarning | FutureWarning


class Watch:
    """Lets nothing that Python only prints, logs or swallows pass unseen."""

    def __init__(self, own: OwnFrames):
        self.own = own
        self.faults: list[Fault] = []
        warnings.showwarning = self._on_warning
        modules = {"__main__", *(Path(name).stem for name in own.notebook.files)}
        for category in (DeprecationWarning, PendingDeprecationWarning):
            module = f"({'|'.join(modules)})\\Z"
            warnings.filterwarnings("always", category=category, module=module)
        sys.set_coroutine_origin_tracking_depth(1)
        sys.unraisablehook = self._on_unraisable
        threading.excepthook = self._on_thread_exception
        _listen("asyncio", logging.ERROR, self._on_asyncio_error)
        _listen("matplotlib.font_manager", logging.WARNING, self._on_search_for_a_font)

    def add(self, reason: str, frames: list[Frame] | None = None, code: str = "") -> None:
        """Note what went wrong outside the cell's own control flow."""
        self.faults.append(Fault(reason[:LONGEST_TEXT], tuple(frames or self.own.here()), code))

    def add_output(self, reason: str) -> None:
        """Note what is wrong with what is shown."""
        self.add(reason, code="output-not-shown")

    def take(self) -> tuple[Fault, ...]:
        """The faults since the last call."""
        taken, self.faults = self.faults, []
        return tuple(taken)

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
        own = self.own.name_of(filename)
        if "was never awaited" in text:
            first, *rest = text.splitlines()
            made = [part for part in rest if 'File "' in part]
            self.add(first, [frame for part in made for frame in self._parse_frame(part)])
        elif glyph := GLYPH.match(text):
            if not any(NO_FONT in fault.reason for fault in self.faults):
                character = chr(int(glyph[1]))
                self.add_output(f"{NO_FONT} {character}, which its figure shows as a box")
        elif own and issubclass(category, OUTDATED):
            self.add(f"{category.__name__}: {text}", [Frame(own, lineno, "")])
        else:
            sys.stderr.write(warnings.formatwarning(text, category, filename, lineno, line))

    def _parse_frame(self, line: str) -> Iterator[Frame]:
        """From `File "name", line 3, in f`."""
        _, filename, rest = line.split('"', 2)
        if own := self.own.name_of(filename):
            yield Frame(own, int(rest.split(",")[1].split()[-1]), "")

    def _on_unraisable(self, failed: Any) -> None:
        where = getattr(failed.object, "__qualname__", type(failed.object).__name__)
        frames = self.own.among(traceback.extract_tb(failed.exc_traceback))
        reason = f"exception that nobody can catch, in {where}: {_one_line(failed.exc_value)}"
        self.add(reason, frames)

    def _on_thread_exception(self, failed: Any) -> None:
        frames = self.own.among(traceback.extract_tb(failed.exc_traceback))
        error = failed.exc_value or failed.exc_type()
        self.add(f"exception in a thread: {_one_line(error)}", frames)

    def _on_asyncio_error(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        what = record.getMessage().splitlines()[0]
        self.add(f"asyncio: {what}{f': {_one_line(error)}' if error else ''}", self.own.of(error))

    def _on_search_for_a_font(self, record: logging.LogRecord) -> None:
        """What else it says, of weights that a font lacks, is nothing to readers."""
        message = record.getMessage()
        if "not found" in message and not any(message in fault.reason for fault in self.faults):
            self.add_output(f"matplotlib: {message}")


def _listen(name: str, level: int, note: Callable[[logging.LogRecord], None]) -> None:
    """Let `note` have what a library logs, and nobody else."""
    handler = logging.Handler(level)
    handler.emit = note  # type: ignore[assignment]
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.propagate = False


def _one_line(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}".strip(": ").partition("\n")[0]
