"""What every language's checker is, and the one way in which it is called."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from qa.failures import Problem


class CheckerFailed(RuntimeError):
    """A checker could not give a verdict: its program or package is missing, crashed or hung."""


@dataclass(frozen=True)
class Checker:
    """`find` yields the problems of a text that is not empty, without the checker's name."""

    name: str
    distributions: tuple[str, ...]
    """The packages whose versions, with Python's own, decide the verdict."""
    find: Callable[[str], Iterable[Problem]]
    languages: tuple[str, ...] = ()
    """Of the fences that it checks."""
    suffixes: tuple[str, ...] = ()
    """Of the files."""

    def check(self, text: str) -> list[Problem]:
        """Problems in the order of their lines, none if all is well. Raises CheckerFailed."""
        if not text.strip():
            return [Problem(1, f"{self.name}: the text is empty")]
        try:
            found = sorted(set(self.find(text)))
        except CheckerFailed:
            raise
        # Whatever a package raises that its module does not expect: no verdict is no pass.
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise CheckerFailed(f"{self.name} could not check the text: {reason}") from error
        return [Problem(problem.line, self._one_line(problem.reason)) for problem in found]

    def _one_line(self, reason: str) -> str:
        return textwrap.shorten(f"{self.name}: {reason}", 300, placeholder=" ...")
