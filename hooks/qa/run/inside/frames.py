"""The author's own lines among those of a traceback."""

from __future__ import annotations

import sys
import traceback
import types
from contextlib import suppress
from pathlib import Path

from qa.run.protocol import Example, Frame


class OwnFrames:
    """Knows which frames stand in a notebook or in its files, which lie in `work`."""

    def __init__(self, notebook: Example, work: Path):
        self.notebook = notebook
        self.work = work

    def name_of(self, filename: str) -> str:
        """The name under which the author knows a file, empty for all others."""
        if filename == self.notebook.label:
            return filename
        with suppress(ValueError):
            name = str(Path(filename).relative_to(self.work))
            return name if name in self.notebook.files else ""
        return ""

    def is_beside(self, name: str) -> bool:
        """Whether a file lies in the notebook's own folder, and is not shared with others."""
        return name in self.notebook.own

    def among(self, frames: traceback.StackSummary) -> list[Frame]:
        """In their order: outermost first."""
        return [
            Frame(name, frame.lineno or 0, frame.name)
            for frame in frames
            if (name := self.name_of(frame.filename))
        ]

    def of(self, error: BaseException | None) -> list[Frame]:
        return self.among(traceback.extract_tb(error.__traceback__)) if error else []

    def here(self) -> list[Frame]:
        """Of the code that runs now."""
        return self.among_stack(sys._getframe())

    def among_stack(self, frame: types.FrameType) -> list[Frame]:
        stack = traceback.StackSummary.extract(traceback.walk_stack(frame))
        return self.among(traceback.StackSummary.from_list(list(reversed(stack))))
