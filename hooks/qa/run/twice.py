"""Whether an example shows the same when it runs again: what does not is cached for good.

The second run has other addresses, another seed, a later clock, and seems to have more cores.
Cells tagged `volatile` may differ, and so may values that come from them, or that nobody is shown.
"""

from __future__ import annotations

import ast
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from difflib import unified_diff
from pathlib import Path
from typing import Any

from qa.failures import Failure, Failures
from qa.run.definitions import bound, filled, read
from qa.run.local import LocalServer
from qa.run.notebook import Cell, Notebook
from qa.run.report import run
from qa.run.runs import Runs
from qa.run.source import parse
from qa.run.store import Result, Scalar

VOLATILE = "volatile"
CODE = "not-the-same-twice"
CLOSE = 1e-12
"""Relative; the last digits of a sum depend on where its terms lie in memory."""
MOST_LINES, LONGEST = 12, 200
"""Of what is said to differ."""


def run_again(
    books: Iterable[Notebook], runs: Runs, folder: Path, quoted: Mapping[str, set[str]]
) -> list[Failure]:
    """Run each that has a result a second time, here, and compare.

    `folder` is the cache, `quoted` are the values that pages show of each, by its name.
    """
    passed = [book for book in books if book.name in runs.results]
    server = LocalServer(folder)  # a process of its own has other addresses

    def compare(book: Notebook) -> list[Failure]:
        return _again(book, runs.results[book.name], server, quoted.get(book.name, set()))

    try:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
            return [failure for found in threads.map(compare, passed) for failure in found]
    finally:
        server.close()


def _again(book: Notebook, first: Result, server: LocalServer, quoted: set[str]) -> list[Failure]:
    try:
        second = run(book, server, first.isolated, again=True)
    except Failures as error:
        return [
            replace(failure, reason=f"when it runs again: {failure.reason}", code=CODE)
            for failure in error.failures
        ]
    return differences(book, first, second, quoted)


def differences(book: Notebook, first: Result, second: Result, quoted: set[str]) -> list[Failure]:
    """One failure for each cell that is not tagged and shows something else, or from which a
    quoted value comes that is another."""
    home, from_volatile = _flow(book)
    changed: dict[Cell, list[str]] = {}
    for cell in book.code:
        one, other = (_shown(result, cell) for result in (first, second))
        if one != other and VOLATILE not in cell.tags:
            lines = [*unified_diff(one, other, "first", "again", n=0, lineterm="")]
            changed.setdefault(cell, []).extend(line[:LONGEST] for line in lines[2:MOST_LINES])
    before, after = _left(first), _left(second)
    for name in sorted(quoted - from_volatile):
        if not _same(before.get(name), after.get(name)):
            text = f"{name}: {before.get(name)!r}, then {after.get(name)!r}"
            changed.setdefault(home.get(name, book.code[0]), []).append(text)
    reason = 'is not the same when it runs again: make it so, or say tags=["volatile"]'
    return [
        Failure(book.path, cell.line, cell.fault(reason), "\n".join(lines), CODE)
        for cell, lines in changed.items()
    ]


def _left(result: Result) -> dict[str, Scalar]:
    """What a run leaves: values, and the types of all else."""
    return {**result.kinds, **result.values}


def _shown(result: Result, cell: Cell) -> list[str]:
    """The outputs of a cell, line by line."""
    ran = result.cells.get(cell.name or f"line {cell.line}")
    return [line for output in (ran.outputs if ran else []) for line in _lines(output)]


def _lines(output: Mapping[str, Any]) -> Iterator[str]:
    texts = output.get("data") or {output["output_type"]: output.get("text", output.get("evalue"))}
    for kind, text in texts.items():
        yield from (f"{kind}: {line}" for line in text.splitlines())


def _same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=CLOSE)
    return type(one) is type(other) and one == other


def _flow(book: Notebook) -> tuple[dict[str, Cell], set[str]]:
    """The cell that last binds each variable, and the variables that come from volatile cells."""
    home: dict[str, Cell] = {}
    tainted: set[str] = set()
    for cell in book.code:
        for statement in parse(cell.source).body:
            own = bound(statement)
            home |= dict.fromkeys(own, cell)
            if VOLATILE in cell.tags or tainted & read(statement):
                tainted |= own | filled(statement)
            elif not isinstance(statement, ast.AugAssign | ast.For | ast.If | ast.While):
                tainted -= own
    return home, tainted
