"""Notes what nobody catches: in threads, children, finalizers, asyncio; and warnings."""

from __future__ import annotations

import logging
import os
import re
import socketserver
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from qa.run.inside.frames import OwnFrames
from qa.run.inside.unasked import Unasked
from qa.run.protocol import Fault, Frame

LONGEST_TEXT = 4000
CHILD = "exception-in-a-child"

GLYPH = re.compile(r"Glyph (\d+) .*missing from")
"""What Matplotlib warns of."""
NO_FONT = "no font here has the character"
OUTDATED = DeprecationWarning | PendingDeprecationWarning | FutureWarning


class Watch:
    """Lets nothing that Python only prints, logs or swallows pass unseen."""

    def __init__(self, own: OwnFrames):
        self.own = own
        self.faults: list[Fault] = []
        self.process = os.getpid()
        self.children = _nameless_file(own.work.parent)  # what forked processes note
        self.position = 0
        self.unasked = Unasked(own, self.add_error)
        self._watch_warnings()
        sys.set_coroutine_origin_tracking_depth(1)
        sys.unraisablehook = self._on_unraisable
        threading.excepthook = self._on_thread_exception
        _listen("asyncio", logging.ERROR, self._on_asyncio_error)
        _listen("matplotlib.font_manager", logging.WARNING, self._on_search_for_a_font)
        logging.Handler.handleError = self._on_logging_error  # type: ignore[assignment,method-assign]
        socketserver.BaseServer.handle_error = self._on_server_error  # type: ignore[assignment,method-assign]

    def _watch_warnings(self) -> None:
        warnings.showwarning = self._on_warning
        names = {"__main__", *(Path(name).stem for name in self.own.notebook.files)}
        # The compiler says where a module lies, without its suffix.
        names.add(self.own.notebook.label.removesuffix(".py"))
        module = rf"(.*/)?({'|'.join(map(re.escape, names))})\Z"
        for category in (DeprecationWarning, PendingDeprecationWarning, SyntaxWarning):
            warnings.filterwarnings("always", category=category, module=module)

    def add(self, reason: str, frames: list[Frame] | None = None, code: str = "") -> None:
        """Note what went wrong outside the cell's own control flow."""
        text = reason[:LONGEST_TEXT].encode(errors="replace").decode()
        fault = Fault(text, tuple(frames or self.own.here()), code)
        if os.getpid() == self.process:
            self.faults.append(fault)
        else:
            os.write(self.children, msgspec.json.encode(fault) + b"\n")

    def add_error(self, reason: str, error: BaseException, frames: list[Frame], code: str) -> None:
        self.add(f"{reason}: {_one_line(error)}", frames or self._frames_of_cause(error), code=code)

    def add_network(self, reason: str) -> None:
        """Note a use of the network."""
        self.add(reason, code="network")

    def add_output(self, reason: str) -> None:
        """Note what is wrong with what is shown."""
        self.add(reason, code="output-not-shown")

    def take(self) -> tuple[Fault, ...]:
        """The faults since the last call."""
        written = os.pread(self.children, os.fstat(self.children).st_size, self.position)
        whole = written[: written.rfind(b"\n") + 1]
        self.position += len(whole)
        told = [msgspec.json.decode(line, type=Fault) for line in whole.splitlines()]
        taken, self.faults = (*self.faults, *told), []
        return taken

    def end_child(self, error: BaseException) -> None:
        """End this process if it is not the run itself but one that the notebook forked."""
        if os.getpid() == self.process:
            return
        if isinstance(error, SystemExit):
            os._exit(error.code if isinstance(error.code, int) else bool(error.code))
        self.add_error("exception in a child process", error, self.own.of(error), CHILD)
        os._exit(1)

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
            frames = [frame for part in made for frame in self._parse_frame(part)]
            self.add(first, frames, code="never-awaited")
        elif glyph := GLYPH.match(text):
            if not any(NO_FONT in fault.reason for fault in self.faults):
                character = chr(int(glyph[1]))
                self.add_output(f"{NO_FONT} {character}, which its figure shows as a box")
        elif own and issubclass(category, SyntaxWarning):
            self.add(
                f"{category.__name__}: {text}", [Frame(own, lineno, "")], code="syntax-warning"
            )
        elif own and issubclass(category, OUTDATED):
            self.add(f"{category.__name__}: {text}", [Frame(own, lineno, "")], code="outdated")
        else:
            sys.stderr.write(warnings.formatwarning(text, category, filename, lineno, line))

    def _frames_of_cause(self, error: BaseException) -> list[Frame]:
        """Of an error in another process, which tells its traceback as text."""
        parts = [line for line in str(error.__cause__).splitlines() if 'File "' in line]
        return [frame for part in parts for frame in self._parse_frame(part)]

    def _parse_frame(self, line: str) -> Iterator[Frame]:
        """From `File "name", line 3, in f`."""
        _, filename, rest = line.split('"', 2)
        if own := self.own.name_of(filename):
            yield Frame(own, int(rest.split(",")[1].split()[-1]), "")

    def _on_unraisable(self, failed: Any) -> None:
        where = getattr(failed.object, "__qualname__", type(failed.object).__name__)
        error = failed.exc_value or failed.exc_type()
        reason = f"exception that nobody can catch, in {where}"
        self.add_error(reason, error, self.own.of(error), "unraisable")

    def _on_thread_exception(self, failed: Any) -> None:
        error = failed.exc_value or failed.exc_type()
        self.add_error("exception in a thread", error, self.own.of(error), "thread")

    def _on_asyncio_error(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        what = record.getMessage().splitlines()[0]
        self.add(
            f"asyncio: {what}{f': {_one_line(error)}' if error else ''}",
            self.own.of(error),
            "asyncio",
        )

    def _on_logging_error(self, record: logging.LogRecord) -> None:
        if error := sys.exc_info()[1]:
            self.add_error("message that cannot be logged", error, self.own.here(), "logging")

    def _on_server_error(self, *_: object) -> None:
        error = sys.exc_info()[1]
        if error and not isinstance(error, ConnectionError):  # a client may hang up
            self.add_error("exception in a server's handler", error, self.own.of(error), "server")

    def _on_search_for_a_font(self, record: logging.LogRecord) -> None:
        """What else it says, of weights that a font lacks, is nothing to readers."""
        message = record.getMessage()
        if "not found" in message and not any(message in fault.reason for fault in self.faults):
            self.add_output(f"matplotlib: {message}")


def _nameless_file(folder: Path) -> int:
    """A descriptor that forked processes share; each appends whole lines."""
    path = folder / ".faults"
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND)
    path.unlink()
    return file


def _listen(name: str, level: int, note: Callable[[logging.LogRecord], None]) -> None:
    """Let `note` have what a library logs, and nobody else."""
    handler = logging.Handler(level)
    handler.emit = note  # type: ignore[assignment]
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    logger.propagate = False


def _one_line(error: BaseException) -> str:
    return f"{type(error).__qualname__}: {error}".strip(": ").partition("\n")[0]
