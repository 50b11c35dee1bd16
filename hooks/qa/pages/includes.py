"""Files that pages show in a fence: those of notebooks, and nothing else of the checkout.

They are put in here and not by an extension of Markdown, so that no other text on a page, be it
prose, the output of a run or a value, includes anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from textwrap import dedent

from qa.files import lines_of
from qa.forms import nearest
from qa.pages.fences import SNIPPET
from qa.run.notebook import CompanionFile, Notebook

MARK = re.compile(rf"{SNIPPET} \[(?P<end>start|end):(?P<section>[\w-]+)\]")
"""In a file, what begins and ends a section of it."""


LINES_SHIFT = (
    "includes lines by number, which shift when the file is edited: mark a section in "
    "it with --8<-- [start:name] and [end:name], and include file:name"
)


class Includes:
    """`files` are all that may be shown, by their paths from `root`."""

    def __init__(self, notebooks: Iterable[Notebook], root: Path):
        self.files: dict[str, CompanionFile] = {}
        for book in notebooks:
            own = CompanionFile(book.path, book.text.encode())
            for file in (own, *book.files.values()):
                # What the engine lends to notebooks may lie elsewhere, and is shown by no page.
                if file.path.is_relative_to(root):
                    self.files[file.path.relative_to(root).as_posix()] = file

    def fault(self, name: str, section: str) -> str:
        """Why it cannot be shown, or nothing."""
        file = self.files.get(name)
        if file is None:
            return f"includes {name}, which is no file of a notebook: nothing checks it"
        if faults := file.faults():
            return f"includes {name}, which {faults[0].reason}"
        sections = {match["section"] for match in MARK.finditer(file.text)}
        if re.match(r"-?\d", section):
            return LINES_SHIFT
        if section and section not in sections:
            return f'no section "{section}" in {name}{nearest(section, sections)}'
        return ""

    def text(self, name: str, section: str) -> str:
        """A section without its indentation, or the file if it is empty; marks are left out.

        What has a fault is empty.
        """
        if self.fault(name, section):
            return ""
        shown, inside = [], not section
        for line in lines_of(self.files[name].text):
            match = MARK.search(line)
            if match is None:
                shown += [line] if inside else []
            elif match["section"] == section:
                inside = match["end"] == "start"
        return dedent("\n".join(shown))
