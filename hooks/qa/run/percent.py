"""The percent format: a .py into its header and cells, each line where its author sees it."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from qa import forms, yaml_lines
from qa.failures import Failure, Failures
from qa.yaml_lines import Record

MARKER = re.compile(r"^# %%(?=[ \n]|\Z)", re.M)
"""The line that begins a cell; `# %%bash` is a comment and begins none."""
OPTION = r'tags=\[(?: *"[^"]*" *,?)*\]|(?!tags=)\w+="[^"]*"'
MARKER_LINE = re.compile(rf"# %%(?: \[(?:markdown|md|raw)\])?(?: +(?:{OPTION}))* *")
OTHER_MARKER = re.compile(
    r"# ?(\+( *[\[{].*| +\w+=.*)?|-|(end)?region\b.*|COMMAND -+|%%(?![a-z]).*)"
)
"""Comments that begin or end a cell elsewhere, as in Jupytext's light format."""
ANY_MARKER = re.compile(
    r"^(?:\s*#\s*%%(?![%a-z])|# In ?\[[\d ]*\]|# <codecell>|# \+(?: *[\[{]| +\w+=|$))", re.M
)
"""A line that begins a cell in one of the formats."""
HEADER_MARK = "# ---"
HEADER = {
    "jupyter?": {
        "qa?": {"seconds?": object, "unchecked?": object},
        **dict.fromkeys(("jupytext?", "kernelspec?", "language_info?"), object),
    }
}
FORMAT = {"extension": ".py", "format_name": "percent", "comment_magics": False}
"""Comments stay comments: Jupytext would run `# !mkdir x` and `# time is money`."""
OTHER_LINE_BREAKS = str.maketrans(dict.fromkeys("\v\f\x1c\x1d\x1e\x85\u2028\u2029", " "))
"""What ends a line for Jupytext, but neither for Python nor for editors."""
LAYOUT = {"lines_to_next_cell", "lines_to_end_of_cell_marker", "region_name"}
"""What Jupytext adds to a cell's metadata."""

Part = tuple[int, list[str]]
"""The lines of a cell, and the 1-based line of the file on which they begin."""


@dataclass(frozen=True)
class Block:
    """A cell; `written` are its lines as they stand in the file, from `line` on, that after its
    marker, and `source` is what Jupyter shows of them."""

    kind: str
    source: str
    line: int
    metadata: dict[str, Any]
    written: tuple[str, ...]


def read(path: Path, text: str) -> tuple[Record, list[Block]]:
    """The header's `qa`, and the cells. Raises Failures, too where Jupytext reads other cells."""
    import jupytext  # takes half a second

    lines = text.split("\n")
    starts = [number for number, line in enumerate(lines) if MARKER.match(line)]
    reason = 'marker not understood; write: # %% name="..." tags=["..."]'
    if faults := [
        Failure(path, number + 1, reason, code="bad-marker")
        for number in starts
        if not MARKER_LINE.fullmatch(lines[number])
    ]:
        raise Failures(faults)
    header = _header(path, lines[: starts[0]])
    ends = [*starts[1:], len(lines)]
    parts = [(at + 2, lines[at + 1 : end]) for at, end in zip(starts, ends, strict=True)]
    theirs = jupytext.reads(text.translate(OTHER_LINE_BREAKS), fmt=FORMAT).cells
    if line := _difference(parts, theirs):
        reason = "Jupytext reads this line otherwise: a cell begins with '# %%' at the start of"
        reason += " a line, outside texts; Markdown stands behind '# '"
        raise Failures([Failure(path, line, reason, code="other-cells-in-jupytext")])
    blocks = [
        Block(
            cell.cell_type,
            "\n".join(_seen(cell.cell_type, part)).rstrip("\n"),
            line,
            {key: value for key, value in cell.metadata.items() if key not in LAYOUT},
            tuple(part),
        )
        for (line, part), cell in zip(parts, theirs, strict=True)
    ]
    return header, blocks


def _header(path: Path, lines: list[str]) -> Record:
    """Of the lines before the first cell."""
    written = [number for number, line in enumerate(lines) if line.strip()]
    if not written:
        return Record()
    marks = [number for number, line in enumerate(lines) if line.rstrip() == HEADER_MARK]
    opened = marks[:1] == written[:1]
    if opened and len(marks) == 1:
        raise Failures(
            [Failure(path, marks[0] + 1, f"header is never closed by {HEADER_MARK}", code="header")]
        )
    if not opened or written[-1] != marks[1]:
        line = next(n for n in written if not opened or n > marks[1]) + 1
        reason = "text before the first cell: begin it with '# %%' or '# %% [markdown]'"
        raise Failures([Failure(path, line, reason, code="text-before-cells")])
    inner = [""] * (marks[0] + 1) + [_uncommented(line) for line in lines[marks[0] + 1 : marks[1]]]
    header = yaml_lines.parse(path, "\n".join(inner), "header is no YAML") or Record()
    if faults := list(forms.check(path, header, HEADER, "header")):
        raise Failures(faults)
    found = header.get("jupyter", {}).get("qa", Record())
    assert isinstance(found, Record)
    return found


def _uncommented(line: str) -> str:
    return line.removeprefix("#").removeprefix(" ") if line.startswith("#") else line


def _seen(kind: str, lines: list[str]) -> list[str]:
    return lines if kind == "code" else [_uncommented(line) for line in lines]


def _difference(parts: list[Part], theirs: list[Any]) -> int:
    """The first line that Jupytext gives to another cell or reads otherwise, or 0."""
    for index, (first, lines) in enumerate(parts):
        if index == len(theirs):
            return first - 1
        seen = "\n".join(_seen(theirs[index].cell_type, lines)).translate(OTHER_LINE_BREAKS)
        mine = seen.rstrip("\n").split("\n")
        other = theirs[index].source.rstrip("\n").split("\n")
        if mine == other:
            continue
        pairs = zip(mine, other, strict=False)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if same == len(mine):  # theirs goes on behind a marker
            return parts[index + 1][0] - 1 if index + 1 < len(parts) else first
        return first + next((n for n in range(same, len(mine)) if mine[n].strip()), same)
    return 0


def first_marker(text: str) -> int:
    """The line of Python on which a cell would begin, in whatever format; 0 if there is none."""
    found = ANY_MARKER.search(text)
    return text.count("\n", 0, found.end()) + 1 if found else 0


def other_markers(block: Block) -> Iterator[int]:
    """The lines of comments in a code cell that look like the beginning or end of one."""
    with suppress(tokenize.TokenError, SyntaxError):
        for token in tokenize.generate_tokens(io.StringIO(block.source).readline):
            at_start = token.type == tokenize.COMMENT and token.start[1] == 0
            if at_start and OTHER_MARKER.fullmatch(token.string.rstrip()):
                yield block.line + token.start[0] - 1
