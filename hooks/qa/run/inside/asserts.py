"""Notes which assertions of a run held, and which say nothing."""

from __future__ import annotations

import ast
import builtins
import mmap
import sys
import types
from collections.abc import Callable, Iterable
from functools import partial
from importlib.machinery import SOURCE_SUFFIXES, FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any

from qa.run.inside.frames import OwnFrames
from qa.run.inside.truth import truth
from qa.run.protocol import Frame

HELD = "__assertions_held__"
"""A name that all code can see: bytes, one an assertion, shared with forked processes."""
MOST = 1 << 16

CATCHES_ASSERTIONS = {"AssertionError", "Exception", "BaseException"}

Report = Callable[[str, list[Frame], str], None]


class Assertions:
    """Rewrites the author's code: behind each `assert` stands a note that it held.

    `report` gets those that cannot fail, and at the end those that never held.
    """

    def __init__(self, own: OwnFrames, report: Report):
        self.own = own
        self.report = report
        self.places: list[Frame] = []
        self.held = mmap.mmap(-1, MOST)
        setattr(builtins, HELD, self.held)
        loader: Any = partial(_Loader, self)
        hook = FileFinder.path_hook((loader, SOURCE_SUFFIXES))
        sys.path_hooks.insert(0, partial(_only_below, own.work, hook))
        sys.path_importer_cache.pop(str(own.work), None)

    def rewrite(self, tree: ast.Module, name: str, required: bool = True) -> None:
        """`required` are assertions that must hold once; others may only not be constant."""
        _Rewriter(self, name, required).visit(tree)

    def number(self, place: Frame) -> int | None:
        """Of an assertion that is to be noted when it holds, unless there are too many."""
        if len(self.places) == MOST:
            return None
        self.places.append(place)
        return len(self.places) - 1

    def accept(self, frames: Iterable[Frame]) -> None:
        """The assertions on these lines failed, as they must."""
        failed = {frame[:2] for frame in frames}
        for number, place in enumerate(self.places):
            if place[:2] in failed:
                self.held[number] = 1

    def report_silent(self) -> None:
        reason = "assertion never held: nothing reached it, or its failure was caught"
        for number, place in enumerate(self.places):
            if not self.held[number]:
                self.report(reason, [place], "assertion-never-held")


class _Rewriter(ast.NodeTransformer):
    """`catcher` is the line of the statement that would catch a failing assertion, or 0."""

    def __init__(self, assertions: Assertions, name: str, required: bool):
        self.assertions = assertions
        self.name = name
        self.required = required
        self.catcher = 0

    def visit_Assert(self, node: ast.Assert) -> ast.stmt | list[ast.stmt]:
        place = Frame(self.name, node.lineno, "")
        if self.catcher:
            reason = f"assertion cannot fail: line {self.catcher} catches what it raises"
            self.assertions.report(reason, [place], "assertion-caught")
        elif truth(node.test) is False or isinstance(node.test, ast.Tuple):
            pass  # the one says that nothing gets here, of the other Python itself warns
        elif truth(node.test):
            reason = "assertion cannot fail: its condition is constant"
            self.assertions.report(reason, [place], "assertion-constant")
        elif self.required and (number := self.assertions.number(place)) is not None:
            note = ast.parse(f"{HELD}[{number}] = 1").body[0]
            for part in ast.walk(note):
                ast.copy_location(part, node)
            return [node, note]
        return node

    def visit_FunctionDef(self, node: ast.AST) -> ast.AST:
        return self._visit_below(node, 0)

    visit_AsyncFunctionDef = visit_ClassDef = visit_FunctionDef

    def visit_With(self, node: ast.With | ast.AsyncWith) -> ast.AST:
        suppresses = any(_suppresses(item.context_expr) for item in node.items)
        return self._visit_below(node, node.lineno if suppresses else self.catcher)

    visit_AsyncWith = visit_With

    def visit_Try(self, node: ast.Try | ast.TryStar) -> ast.AST:
        handler = next((each for each in node.handlers if _handles_assertions(each)), None)
        caught = handler.lineno if handler and not _raises(handler) else 0
        returns = next((each.lineno for each in node.finalbody if isinstance(each, ast.Return)), 0)
        outer = returns or self.catcher
        self._visit_block(node.body, caught or outer)
        for block in (node.handlers, node.orelse):
            self._visit_block(block, outer)
        self._visit_block(node.finalbody, self.catcher)
        return node

    visit_TryStar = visit_Try

    def _visit_block(self, statements: list[Any], catcher: int) -> None:
        self._visit_below(ast.Module(statements, []), catcher)  # in place

    def _visit_below(self, node: ast.AST, catcher: int) -> ast.AST:
        outer, self.catcher = self.catcher, catcher
        self.generic_visit(node)
        self.catcher = outer
        return node


def _handles_assertions(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or _names_assertions(handler.type)


def _raises(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(part, ast.Raise) for part in ast.walk(handler))


def _suppresses(context: ast.expr) -> bool:
    if not isinstance(context, ast.Call):
        return False
    name = getattr(context.func, "id", getattr(context.func, "attr", ""))
    return name == "suppress" and any(map(_names_assertions, context.args))


def _names_assertions(node: ast.expr) -> bool:
    names = {getattr(part, "id", getattr(part, "attr", "")) for part in ast.walk(node)}
    return bool(names & CATCHES_ASSERTIONS)


class _Loader(SourceFileLoader):
    """Imports the notebook's own modules."""

    def __init__(self, assertions: Assertions, name: str, path: str):
        super().__init__(name, path)
        self.assertions = assertions

    def source_to_code(  # type: ignore[override]
        self, data: bytes, path: str, *, _optimize: int = -1
    ) -> types.CodeType:
        tree = ast.parse(data, path)
        if name := self.assertions.own.name_of(path):
            self.assertions.rewrite(tree, name, required=self.assertions.own.is_beside(name))
        return compile(tree, path, "exec", dont_inherit=True, optimize=_optimize)


def _only_below(folder: Path, hook: Callable[[str], Any], path: str) -> Any:
    """A hook for `sys.path_hooks` that is asked for the modules of one folder only."""
    if not Path(path).is_relative_to(folder):
        raise ImportError(f"{path} is not below {folder}", path=path)
    return hook(path)
