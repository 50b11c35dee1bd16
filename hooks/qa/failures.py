"""What is wrong, where, and why: the one form in which everything here reports faults."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qa.printable import loggable


@dataclass(frozen=True, order=True)
class Problem:
    """A fault at a 1-based line of the checked text; the reason is one line."""

    line: int
    reason: str


@dataclass(frozen=True, order=True)
class Failure:
    """A fault at a line of a file that an author edits.

    `detail` (a traceback's end, the last output) is printed below the line
    `file:line: reason [code]`. The code names the kind of fault for tools and tests: it stays
    when the words change. `cell` names the cell of a notebook that was running, if one was.
    """

    path: Path
    line: int
    reason: str
    detail: str = ""
    code: str = ""
    cell: str = ""

    def __str__(self) -> str:
        reason = " ".join(loggable(self.reason).splitlines())
        head = f"{_shown(self.path)}:{self.line}: {reason} [{self.code}]"
        detail = loggable(self.detail).splitlines()
        return "\n".join([head, *(f"    {line}" for line in detail)])

    def annotation(self) -> str:
        """The same as a GitHub workflow command, which marks the line in a pull request."""
        text = loggable(f"{self.reason}\n{self.detail}").strip()
        for character, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
            text = text.replace(character, escape)
        path = _shown(self.path)
        for character, escape in (("%", "%25"), (":", "%3A"), (",", "%2C")):
            path = path.replace(character, escape)
        return f"::error file={path},line={self.line}::{text}"


def _shown(path: Path) -> str:
    """Relative, and on one line whatever the name of a file holds."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in os.path.relpath(path)
    )


def fault_in_build(error: BaseException, path: Path | None = None) -> Failure:
    """An exception that is no finding about a project but a fault of the code that builds it.

    At the line of that code which raised it, or at `path`, the file it was about.
    """
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "site-packages" not in frame.filename] or frames
    reason = f"fault in the build itself: {type(error).__name__}: {error}"
    where = f"{own[-1].filename}:{own[-1].lineno}" if own else ""
    if path:
        return Failure(path, 1, reason, f"at {where}", code="build-fault")
    return Failure(Path(own[-1].filename), own[-1].lineno or 1, reason, code="build-fault")


class Failures(Exception):
    """All that a step found wrong."""

    def __init__(self, failures: Iterable[Failure]):
        self.failures = sorted(set(failures))
        super().__init__(self.failures)

    def __str__(self) -> str:
        noun = "failure" if len(self.failures) == 1 else "failures"
        lines = [f"{len(self.failures)} {noun}", *map(str, self.failures)]
        if os.environ.get("GITHUB_ACTIONS") == "true":
            lines += [failure.annotation() for failure in self.failures]
        return "\n".join(lines)
