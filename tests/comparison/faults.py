"""The canaries whose fault lies in a notebook's code or its output, and where exactly it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from qa.run.percent import MARKER

CANARIES = Path(__file__).parents[1] / "canaries"
NOTEBOOK = "training/sum.py"
EXPECTED = re.compile(r"notebooks/(?P<file>\S+\.py):(?P<line>\d+) (?P<code>[\w-]+)\n")


@dataclass(frozen=True)
class Fault:
    """The fault of one canary: at a 1-based `line` of `file`, which is that `line_of_cell` of the
    notebook's `cell`-th code cell; both are 0 if the file is a module."""

    file: str
    line: int
    cell: int
    line_of_cell: int
    code: str

    def is_located(self, message: str) -> bool:
        """True if one line of the message names the file, or the cell, together with the line."""
        name = re.escape(Path(self.file).name)
        places = [rf'{name}"?(:|, line ){self.line}\b']
        if self.cell:
            # As IPython and markdown-exec write it.
            cell = rf"(In ?\[{self.cell}\]|<code block: [^>]*\bn{self.cell}>\")"
            places.append(rf"{cell}, line {self.line_of_cell}\b")
        return any(re.search(place, message) for place in places)


def find() -> dict[str, Fault]:
    """By canary: where exactly one fault is expected, in a line of code of a cell or below it.

    Faults of pages, fences, pairs, headers and other files are not such.
    """
    found = {}
    for path in sorted(CANARIES.glob("*/expected.txt")):
        expected = EXPECTED.fullmatch(path.read_text(encoding="utf-8"))
        if expected and (fault := _locate(path.parent, expected)):
            found[path.parent.name] = fault
    return found


def _locate(folder: Path, expected: re.Match[str]) -> Fault | None:
    file, line = expected["file"], int(expected["line"])
    cell = line_of_cell = 0
    if file == NOTEBOOK:
        text = (folder / "notebooks" / file).read_text(encoding="utf-8")
        markers = [text.count("\n", 0, match.start()) + 1 for match in MARKER.finditer(text)]
        cell = sum(marker <= line for marker in markers)
        line_of_cell = line - markers[cell - 1]
        header = text.splitlines()[markers[cell - 1] - 1] if cell else ""
        if line_of_cell == 0 or 'name="fault"' not in header:
            return None  # a form of this site's own
    elif expected["code"] in ("syntax", "notebook-without-page"):
        return None  # a file that others do not read
    return Fault(file, line, cell, line_of_cell, expected["code"])
