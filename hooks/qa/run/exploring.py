"""Mutants that nobody wrote: small faults planted all over a notebook, to see which are caught.

The operators are those of mutation testing in general (Offutt and others, "An Experimental
Determination of Sufficient Mutant Operators", 1996), and one of its own: a result copied over the
one beside it, which makes a comparison empty.
"""

from __future__ import annotations

import ast
import os
import random
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from qa.failures import Failures
from qa.memo import Memo
from qa.run.key import result_key
from qa.run.local import local_server
from qa.run.notebook import LENT, CompanionFile, Notebook
from qa.run.report import run
from qa.run.runs import may_go_unshielded, must_isolate

MOST = 40
"""Faults a notebook; of more there are, these are drawn at random, always the same."""
OPPOSITE: dict[type[ast.cmpop], str] = {
    ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
OTHER: dict[type[ast.operator], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.Pow: "*",
}  # fmt: skip
DRAWING = {"ax", "axes", "fig", "plt", "left", "right", "upper", "lower"}
"""Names of what a figure is drawn with: how it looks, no sentence says."""


@dataclass(frozen=True)
class Planted:
    """Text from `start` to `end`, lines and columns of a part of the code, becomes `text`.

    `part` is the index of a code cell, or the name of a module.
    """

    part: int | str
    start: tuple[int, int]
    end: tuple[int, int]
    text: str
    was: str


def explore(notebook: Notebook, folder: Path, most: int = MOST) -> tuple[int, list[Planted]]:
    """How many faults were planted, one in a run, and those that no run noticed.

    `folder` is the cache, which remembers outcomes.
    """
    chosen = _draw(notebook, most)
    memo, server = Memo(folder / "mutants"), local_server(folder)
    isolate = must_isolate(server, may_go_unshielded())

    def survives(planted: Planted) -> bool:
        book = with_fault(notebook, planted)

        def passes() -> bool:
            try:
                run(book, server, isolate)
            except Failures:
                return False
            return True

        return bool(memo.get("passes", result_key(book, isolate), passes))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = threads.map(survives, chosen)
        return len(chosen), [each for each, alive in zip(chosen, found, strict=True) if alive]


def where(notebook: Notebook, planted: Planted) -> tuple[Path, int]:
    """The file and the line of it."""
    if isinstance(planted.part, str):
        return notebook.files[planted.part].path, planted.start[0]
    return notebook.path, notebook.code[planted.part].line + planted.start[0] - 1


def _draw(notebook: Notebook, most: int) -> list[Planted]:
    found = list(faults(notebook))
    drawn = random.Random(notebook.name).sample(found, min(most, len(found)))
    return sorted(drawn, key=lambda each: (str(each.part), each.start))


def faults(notebook: Notebook) -> Iterator[Planted]:
    """All that can be planted in the cells and in the modules that come with them; what the engine
    lends has tests of its own."""
    for number, cell in enumerate(notebook.code):
        if not cell.must_raise:
            yield from _of_part(number, cell.source)
    for name, file in notebook.files.items():
        if name.endswith(".py") and file.path.parent != LENT:
            yield from _of_part(name, file.text)


def with_fault(notebook: Notebook, planted: Planted) -> Notebook:
    if isinstance(planted.part, str):
        old = notebook.files[planted.part]
        file = CompanionFile(old.path, _edited(old.text, planted).encode())
        return replace(notebook, files={**notebook.files, planted.part: file})
    target = notebook.code[planted.part]
    cells = tuple(
        replace(cell, source=_edited(cell.source, planted)) if cell is target else cell
        for cell in notebook.cells
    )
    return replace(notebook, cells=cells)


def _edited(source: str, planted: Planted) -> str:
    lines = source.split("\n")
    (first, start), (last, end) = planted.start, planted.end
    before = lines[first - 1].encode()[:start].decode()
    after = lines[last - 1].encode()[end:].decode()
    gap = "\n" * (last - first)  # so that lines below stay where they are
    lines[first - 1 : last] = (before + planted.text + after + gap).split("\n")
    return "\n".join(lines)


def _of_part(part: int | str, source: str) -> Iterator[Planted]:
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return  # magics, whose places in the text are not Python's
    shown = tree.body[-1] if tree.body and not isinstance(part, str) else None
    for statement in _statements(tree.body):
        for node, text in _changes(statement, statement is shown):
            start, end = (node.lineno, node.col_offset), _end(node)
            was = ast.get_source_segment(source, node) or ""
            yield Planted(part, start, end, text, was)


def _end(node: ast.expr | ast.stmt) -> tuple[int, int]:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return node.end_lineno, node.end_col_offset


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """Those that compute something, innermost ones by themselves."""
    for statement in body:
        if isinstance(statement, ast.Assert | ast.Import | ast.ImportFrom) or _draws(statement):
            continue
        yield statement
        for field in ("body", "orelse", "finalbody"):
            yield from _statements(getattr(statement, field, ()))
        for handler in getattr(statement, "handlers", ()):
            yield from _statements(handler.body)


def _draws(statement: ast.stmt) -> bool:
    simple = not hasattr(statement, "body")
    return simple and any(
        isinstance(node, ast.Name) and node.id in DRAWING for node in ast.walk(statement)
    )


def _own(statement: ast.stmt) -> Iterator[ast.AST]:
    """A statement's expressions, without the statements inside it."""
    for child in ast.iter_child_nodes(statement):
        if not isinstance(child, ast.stmt | ast.excepthandler):
            yield from ast.walk(child)


def _changes(statement: ast.stmt, shown: bool) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    match statement:
        case ast.AugAssign():
            yield statement, "pass"
        case ast.Expr(value=ast.Call()) if not shown:
            yield statement, "pass"
        case ast.Assign(targets=[ast.Tuple(elts=[ast.Name(id=a), ast.Name(id=b), *_])]):
            yield statement, f"{ast.unparse(statement)}; {b} = {a}"
        case ast.If(test=test) | ast.While(test=test):
            yield test, f"not ({ast.unparse(test)})"
    for node in _own(statement):
        match node:
            case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in OPPOSITE:
                yield node, f"({ast.unparse(left)} {OPPOSITE[type(op)]} {ast.unparse(right)})"
            case ast.BinOp(left=left, op=op, right=right) if type(op) in OTHER:
                if not any(isinstance(side, ast.JoinedStr) for side in (left, right)):
                    yield node, f"(({ast.unparse(left)}) {OTHER[type(op)]} ({ast.unparse(right)}))"
            case ast.Constant(value=bool() as value):
                yield node, str(not value)
            case ast.Constant(value=int() | float() as value):
                yield node, repr(value * 2 or 1)
