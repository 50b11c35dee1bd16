"""What Python source says of itself without being run: its modules, and the words in its texts."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

WORD = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class SourceFacts:
    """`imports` are full names of modules, wherever they are imported, in order; `words` are those
    of all strings, magics included: programs that are called are named there."""

    imports: tuple[str, ...] = ()
    words: tuple[str, ...] = ()

    @property
    def modules(self) -> set[str]:
        """Top-level names of the imports."""
        return {name.partition(".")[0] for name in self.imports}


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a cell with its lines, IPython's magics turned into calls.

    Raises SyntaxError."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the run makes faults of them
        try:
            return ast.parse(source)
        except SyntaxError:
            from qa.run.inside.magics import as_python  # imports IPython

            return ast.parse(as_python(source))


def facts(sources: Iterable[str]) -> SourceFacts:
    """Raises SyntaxError."""
    imports: dict[str, None] = {}
    words: set[str] = set()
    for node in (node for source in sources for node in ast.walk(parse(source))):
        if isinstance(node, ast.Import):
            imports |= {alias.name: None for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports[node.module] = None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set(WORD.findall(node.value))
    return SourceFacts(tuple(imports), tuple(sorted(words)))


def merge(found: Iterable[SourceFacts]) -> SourceFacts:
    found = list(found)
    imports = dict.fromkeys(name for each in found for name in each.imports)
    return SourceFacts(tuple(imports), tuple(sorted({w for each in found for w in each.words})))
