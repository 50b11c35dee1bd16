"""Which cell gives a variable its final value, and what each statement reads and changes, by what
the code says."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator

from qa.run.notebook import Notebook
from qa.run.source import parse


def definitions(notebook: Notebook) -> dict[str, str]:
    """The last cell that binds each name at top level, by whatever statement."""
    return {name: cell.name for cell in notebook.code for name in bound(*parse(cell.source).body)}


def bound(*statements: ast.stmt) -> set[str]:
    """Names that they give a value, at top level or as a global of a function."""
    # `x: int` binds nothing.
    body = [node for node in statements if not isinstance(node, ast.AnnAssign) or node.value]
    table = symtable.symtable(ast.unparse(ast.Module(body, [])), "", "exec")
    own = {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}
    return own | set(_bound_by_functions(table))


def _bound_by_functions(table: symtable.SymbolTable) -> Iterator[str]:
    for inner in table.get_children():
        for symbol in inner.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                yield symbol.get_name()
        yield from _bound_by_functions(inner)


def read(node: ast.AST) -> set[str]:
    """Names whose values it takes."""
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)
    }


def filled(statement: ast.stmt) -> set[str]:
    """Names of what gets a new part, as in `rows[0] = 1`, or has a method called for its effect, as
    in `times.append(1)`."""
    found = set()
    for node in ast.walk(statement):
        match node:
            case ast.Attribute(ctx=ast.Store()) | ast.Subscript(ctx=ast.Store()):
                found |= _base(node)
            case ast.Expr(value=ast.Call(func=ast.Attribute() as method)):
                found |= _base(method)
    return found


def _base(node: ast.expr) -> set[str]:
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return {node.id} if isinstance(node, ast.Name) else set()
