"""What Python source says of itself without being run: its modules, and the words in its texts."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache

WORD = re.compile(r"[\w-]+")
NAME = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)?")
"""Of a fact, or of a group of them."""


@dataclass(frozen=True)
class Mentions:
    """`imports` are full names of modules, wherever they are imported, in order; `words` are those
    of all strings, magics included: programs that are called are named there. `names` are strings
    that may name a fact."""

    imports: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

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


def blocks(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    """Those that stand inside of a statement."""
    for field in ("body", "orelse", "finalbody"):
        yield getattr(statement, field, [])
    for inner in (*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())):
        yield inner.body


def mentions(sources: Iterable[str]) -> Mentions:
    """Raises SyntaxError."""
    imports: dict[str, None] = {}
    words: set[str] = set()
    names: set[str] = set()
    for node in (node for source in sources for node in ast.walk(parse(source))):
        if isinstance(node, ast.Import):
            imports |= {alias.name: None for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imports[node.module] = None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            words |= set(WORD.findall(node.value))
            names |= {node.value} if NAME.fullmatch(node.value) else set()
    return Mentions(tuple(imports), tuple(sorted(words)), tuple(sorted(names)))


def merge(found: Iterable[Mentions]) -> Mentions:
    found = list(found)
    imports = dict.fromkeys(name for each in found for name in each.imports)
    words, names = {w for each in found for w in each.words}, {n for m in found for n in m.names}
    return Mentions(tuple(imports), tuple(sorted(words)), tuple(sorted(names)))


def asked(source: str) -> Iterator[tuple[str, int]]:
    """The facts that are asked for by a string, each with its line."""
    for node in ast.walk(parse(source)):
        match node:
            case ast.Call(ast.Name("fact"), [ast.Constant(str(name)), *_]):
                yield name, node.lineno
