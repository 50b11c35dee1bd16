"""Blocks of code between fences, and the one place that says what becomes of each."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from textwrap import dedent, indent

from qa.failures import Failure, Failures
from qa.pages.inert import inert_text
from qa.words import Words

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<header>[^`]*)$")
HEADER = re.compile(
    r'^(?P<language>[A-Za-z0-9_.+-]{0,40})(?P<options>(?: +(?:open|\w+="[^"]*"))*) *$'
)
OPTION = re.compile(r' +(open(?![\w=])|\w+(?==))(?:="([^"]*)")?')
MARKS = re.compile(r"`+|~+")
SNIPPET = "--8<--"
INCLUDE = re.compile(
    rf"""^(?P<indent>\ *){SNIPPET}\ + (?P<quote>["'])
    (?P<file>[^"':]+) (?: :(?P<section>[^"']*) )? (?P=quote)\ *$""",
    re.MULTILINE | re.VERBOSE,
)
FOLDING = ("does", "open")
"""What the code does, which stands beside the switch that shows it; or that it is shown at once."""
HIGHLIGHT = ("title", "linenums", "hl_lines")
"""Options of a block of code that Material understands; the others are for the checks."""


class Fate(Enum):
    """What becomes of a fence."""

    CELL = auto()
    """A cell of the notebook takes its place, with what it showed."""
    LIST = auto()
    """A list that the build makes takes its place."""
    DIAGRAM = auto()
    INCLUDED = auto()
    """It shows a file, which is checked where it lies."""
    WAIVED = auto()
    """A reason stands in its header, and nothing checks it."""
    RUN = auto()
    CHECKED = auto()
    """By the checker of its language, if there is one: see qa.check.registry."""


GENERATED: dict[str, tuple[Fate, tuple[str, ...]]] = {
    "cell": (Fate.CELL, ("name", *FOLDING)),
    "mermaid": (Fate.DIAGRAM, ()),
    "questions": (Fate.LIST, ("document", "theme")),
    "terms": (Fate.LIST, ()),
    "waivers": (Fate.LIST, ()),
    "comparison": (Fate.LIST, ()),
    "changes": (Fate.LIST, ()),
    "runs": (Fate.LIST, ()),
    "credits": (Fate.LIST, ()),
    "facts": (Fate.LIST, ()),
    "downloads": (Fate.LIST, ()),
    "answers": (Fate.LIST, ("pages", "figure")),
}
"""Fences that become something else than a block of code, with their options."""
CODE: dict[str, tuple[Fate, tuple[str, ...]]] = {
    "python": (Fate.RUN, ("raises",)),
    "sql": (Fate.RUN, ()),
    "yaml": (Fate.CHECKED, ("schema",)),
    "yml": (Fate.CHECKED, ("schema",)),
}
"""Blocks of code that are run, or whose check has options of its own."""


@dataclass(frozen=True)
class Fence:
    """A fenced block; lines are 1-based and `end` is the line of the closing marks."""

    line: int
    end: int
    language: str
    options: dict[str, str]
    text: str

    @property
    def fate(self) -> Fate:
        if self.language in GENERATED:
            return GENERATED[self.language][0]
        if self.text.strip().startswith(SNIPPET):
            return Fate.INCLUDED
        if "reason" in self.options:
            return Fate.WAIVED
        return CODE.get(self.language, (Fate.CHECKED, ()))[0]

    @property
    def known_options(self) -> tuple[str, ...]:
        if self.language in GENERATED:
            return GENERATED[self.language][1]
        return (*CODE.get(self.language, (Fate.CHECKED, ()))[1], "reason", *FOLDING, *HIGHLIGHT)

    @property
    def code(self) -> str:
        """What is checked, and shown."""
        return dedent(self.text)

    @property
    def includes(self) -> list[tuple[str, str]]:
        """The files that it shows, from the project's root, each with its section, or ""."""
        found = map(INCLUDE.match, self.text.split("\n"))
        return [(match["file"], match["section"] or "") for match in found if match]

    def with_includes(self, read: Callable[[str, str], str]) -> str:
        """What it shows, if `read` knows the text of a file's section."""
        return INCLUDE.sub(
            lambda m: indent(read(m["file"], m["section"] or ""), m["indent"]), self.text
        )


def lines_of_code(text: str) -> int:
    """How many there are, empty ones aside."""
    return sum(1 for line in text.split("\n") if line.strip())


def block(opening: str, lines: list[str]) -> list[str]:
    """A fence that none of its `lines` can end; `opening` is its first line."""
    match = FENCE.match(opening)
    assert match is not None
    longest = max((len(run) for line in lines for run in MARKS.findall(line)), default=0)
    marks = match["marks"][0] * max(len(match["marks"]), longest + 1)
    return [f"{match['indent']}{marks} {match['header']}", *lines, match["indent"] + marks]


def folded(fence: Fence, code: list[str], words: Words) -> list[str]:
    """The lines of a block of code in a box that opens on demand."""
    match = FENCE.match(code[0])
    assert match is not None
    count = lines_of_code("\n".join(code[1:-1]))
    title = words.show_code[count == 1].format(count=count)
    if does := fence.options.get("does"):
        title += words.colon + inert_text(does)
    mark = "???+" if "open" in fence.options else "???"
    lines = [f'{mark} qa-code "{title}"', "", *(f"    {line}" if line else "" for line in code)]
    return [f"{match['indent']}{line}".rstrip() for line in lines[:2]] + lines[2:]


def without_own_options(opening: str) -> str:
    """The opening line of a block of code as the highlighter understands it."""
    return OPTION.sub(lambda match: match[0] if match[1] in HIGHLIGHT else "", opening)


def closes(line: str, opening: re.Match[str]) -> bool:
    """Only the very marks that opened it close a fence; more of them are text to MkDocs."""
    match = FENCE.match(line)
    return bool(match and not match["header"] and match["marks"] == opening["marks"])


def read(path: Path, start: int, end: int, opening: re.Match[str], text: list[str]) -> Fence:
    """`text` are the lines between. Raises Failures."""
    header = HEADER.match(opening["header"].strip())
    if not header:
        reason = f'fence header not understood: {opening["header"].strip()} (write: name="value")'
        raise Failures([Failure(path, start, reason, code="fence-header")])
    language, options = header["language"], dict(OPTION.findall(header["options"]))
    fence = Fence(start, end, language, options, "\n".join(text))
    if fence.fate in (Fate.CELL, Fate.LIST) and opening["indent"]:
        reason = f"a {language} fence must not be indented"
        raise Failures([Failure(path, start, reason, code="fence-indented")])
    return fence
