"""Which values of a notebook no assert holds."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator

from qa.run.definitions import bound, filled, read
from qa.run.notebook import Notebook
from qa.run.source import blocks, parse


def unasserted(notebook: Notebook, names: Iterable[str]) -> list[str]:
    """Those of `names` that stand in no assert, and in no statement that sets or fills a variable
    which stands in one.

    That is one step back, by name: it does not ask whether the assert would fail for a wrong value.
    What a function does inside is not looked at, and a number that is written in the code needs no
    assert.
    """
    asserted: set[str] = set()
    written: set[str] = set()
    sources: dict[str, set[str]] = defaultdict(set)
    for statement in (s for cell in notebook.code for s in _simple(parse(cell.source).body)):
        if isinstance(statement, ast.Assert):
            asserted |= read(statement)
            continue
        names_set = bound(statement)
        for name in names_set | filled(statement):
            sources[name] |= read(statement)
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            written |= names_set
    held = asserted.union(*(sources[name] for name in asserted))
    return sorted(set(names) - held - written)


def _simple(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements without others inside. A loop sets its variables: it becomes an assignment."""
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                continue
            case ast.For(target=target, iter=value) | ast.AsyncFor(target=target, iter=value):
                yield ast.Assign([target], value, lineno=statement.lineno)
        inner = [each for block in blocks(statement) for each in block]
        if inner:
            yield from _simple(inner)
        else:
            yield statement
