"""Which cell gives a variable its final value, by what the code says."""

from __future__ import annotations

import ast
import symtable
from collections.abc import Iterator

from qa.run.notebook import Notebook
from qa.run.source import parse


def definitions(notebook: Notebook) -> dict[str, str]:
    """The last cell that binds each name at top level, by whatever statement."""
    return {name: cell.name for cell in notebook.code for name in _bound(parse(cell.source))}


def _bound(tree: ast.Module) -> Iterator[str]:
    # `x: int` binds nothing.
    body = [node for node in tree.body if not isinstance(node, ast.AnnAssign) or node.value]
    table = symtable.symtable(ast.unparse(ast.Module(body, [])), "", "exec")
    yield from (s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported())
    yield from _bound_by_functions(table)


def _bound_by_functions(table: symtable.SymbolTable) -> Iterator[str]:
    for inner in table.get_children():
        for symbol in inner.get_symbols():
            if symbol.is_declared_global() and symbol.is_assigned():
                yield symbol.get_name()
        yield from _bound_by_functions(inner)
