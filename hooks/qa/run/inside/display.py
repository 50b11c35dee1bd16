"""Runs in the sandbox: records what a cell shows, text and displays in their order, as Jupyter."""

from __future__ import annotations

import os
import re
import sys
import sysconfig
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from qa.printable import SEQUENCE, printable
from qa.run.inside.safe import HTML, LARGEST_TEXT, TEXT, UnsafeOutput
from qa.run.inside.shown import shown, within
from qa.run.protocol import Display, Stream

MOVEMENT = re.compile(r"(\r|\x08|\x1b\[[0-2]?K)")
"""Back to the start of the line, back by one, and forget what stands behind."""

PLACES = {f"{sysconfig.get_path(name)}/": "" for name in ("purelib", "platlib", "stdlib")} | (
    {sys.prefix: "/python"} if sys.prefix != sys.base_prefix else {}
)
"""Folders of the machine that builds, and what readers see of them."""


class OutputFlood(RuntimeError):
    """More is shown than a run may show."""


@dataclass
class _Piece:
    """Of an output: its safe content by MIME type; text that was printed has none yet."""

    kind: str
    content: str
    display_id: str | None = None


class Outputs:
    """What the cell that runs shows.

    Python's streams and those of child processes end in one file, as on a terminal. `fault` takes
    what is wrong with an output, in words.
    """

    def __init__(self, file: int, largest: int, fault: Callable[[str], None]):
        self.file = file
        self.left = largest  # bytes that the run may still show
        self.fault = fault
        self.position = 0
        self.pieces: list[_Piece] = []
        self.waits = False  # to clear when the next output comes

    def _append(self, piece: _Piece) -> None:
        if self.waits:
            self.clear()
        if self.pieces and not piece.kind and not self.pieces[-1].kind:
            self.pieces[-1].content += piece.content
        else:
            self.pieces.append(piece)

    def add_text(self) -> None:
        """Take what was written since the last call."""
        sys.stdout.flush()
        sys.stderr.flush()
        end = os.fstat(self.file).st_size
        if end > self.position:
            text = os.pread(self.file, end - self.position, self.position).decode(errors="replace")
            self.position = end
            self._append(_Piece("", text))

    def show(
        self, data: Mapping[str, object], display_id: str | None = None, update: bool = False
    ) -> None:
        """A MIME bundle; with `update`, in the place of what has this `display_id`."""
        self.add_text()
        if not data:  # the object has shown itself
            return
        self.left -= sum(len(value) for value in data.values() if isinstance(value, str | bytes))
        if self.left < 0:
            self.pieces.clear()
            raise OutputFlood("more figures and tables than a page can hold")
        try:
            kind, content = shown({key: _without_places(value) for key, value in data.items()})
        except UnsafeOutput as problem:
            self.fault(str(problem))
            return
        if not update:
            self._append(_Piece(kind, content, display_id))
            return
        known = [piece for piece in self.pieces if piece.display_id == display_id]
        if not known:
            self.fault(
                "updates a display that this cell does not show: update it where it is shown"
            )
        for piece in known:
            piece.kind, piece.content = kind, content

    def clear(self, wait: bool = False) -> None:
        self.add_text()
        self.waits = wait
        if not wait:
            self.pieces.clear()

    def take(self) -> tuple[Stream | Display, ...]:
        """The outputs of the cell, whose end this is."""
        self.add_text()
        for piece in self.pieces:
            if not piece.kind:
                piece.content = printable(as_on_a_terminal(str(_without_places(piece.content))))
        pieces = [piece for piece in self.pieces if piece.content.strip("\n")]
        self.pieces, self.waits = [], False
        try:
            on_page = "".join(each.content for each in pieces if each.kind in ("", TEXT, HTML))
            within(on_page, LARGEST_TEXT, "text and HTML: show a part of it")
        except UnsafeOutput as problem:
            self.fault(str(problem))
            return ()
        return tuple(
            Display({piece.kind: piece.content}) if piece.kind else Stream(piece.content)
            for piece in pieces
        )


def _without_places(value: object) -> object:
    """Text without the folders of the machine."""
    if isinstance(value, str):
        for place, seen in PLACES.items():
            value = value.replace(place, seen)
    return value


def as_on_a_terminal(text: str) -> str:
    """What can be read in the end, where a line was written over: of a progress bar
    its last state."""
    text = SEQUENCE.sub(lambda found: found[0] if MOVEMENT.fullmatch(found[0]) else "", text)
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join(_written_over(line) if MOVEMENT.search(line) else line for line in lines)


def _written_over(line: str) -> str:
    written: list[str] = []
    at = 0
    for part in MOVEMENT.split(line):
        if part == "\r":
            at = 0
        elif part == "\x08":
            at = max(at - 1, 0)
        elif MOVEMENT.fullmatch(part):
            del written[at:]
        else:
            written[at : at + len(part)] = part
            at += len(part)
    return "".join(written).rstrip()
