"""What is true or false of an expression whatever the values of its names."""

from __future__ import annotations

import ast
from contextlib import suppress

VARIABLE = (ast.Name, ast.Attribute, ast.Call, ast.Subscript, ast.Await, ast.Yield, ast.YieldFrom)
CHANGING = (ast.Call, ast.Await, ast.Yield, ast.YieldFrom, ast.NamedExpr)
REFLEXIVE = (ast.Eq, ast.LtE, ast.GtE, ast.Is)


def truth(node: ast.expr) -> bool | None:
    """None if it depends on more than the expression itself."""
    match node:
        case ast.Constant(value=value):
            return bool(value)
        case ast.Tuple(elts=parts) | ast.List(elts=parts) | ast.Set(elts=parts):
            return None if any(isinstance(part, ast.Starred) for part in parts) else bool(parts)
        case ast.Dict(keys=keys):
            return None if None in keys else bool(keys)
        case ast.Lambda() | ast.GeneratorExp():
            return True
        case ast.JoinedStr(values=parts):
            return True if any(isinstance(p, ast.Constant) and p.value for p in parts) else None
        case ast.NamedExpr(value=value):
            return truth(value)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            known = truth(operand)
            return None if known is None else not known
        case ast.BoolOp(op=op, values=parts):
            return _truth_of_all(parts, decisive=isinstance(op, ast.Or))
        case ast.IfExp(test=test, body=body, orelse=orelse):
            if (known := truth(test)) is not None:
                return truth(body if known else orelse)
            return truth(body) if truth(body) == truth(orelse) else None
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            if _holds_always(left, op, right):
                return True
    return None if _has(node, VARIABLE) else _evaluated(node)


def _evaluated(node: ast.expr) -> bool | None:
    """Of an expression of literals only."""
    with suppress(Exception):
        return bool(eval(compile(ast.Expression(node), "", "eval"), {"__builtins__": {}}))
    return None


def _truth_of_all(parts: list[ast.expr], decisive: bool) -> bool | None:
    """Of `or`, which one true part decides, and of `and`, which a false one does."""
    known = [truth(part) for part in parts]
    if decisive in known:
        return decisive
    return None if None in known else not decisive


def _holds_always(left: ast.expr, op: ast.cmpop, right: ast.expr) -> bool:
    """`x == x` and `len(x) >= 0`."""
    if isinstance(op, REFLEXIVE) and ast.dump(left) == ast.dump(right):
        return not _has(left, CHANGING)
    counts = isinstance(left, ast.Call) and getattr(left.func, "id", "") == "len"
    return counts and isinstance(op, ast.GtE) and getattr(right, "value", None) == 0


def _has(node: ast.expr, kinds: tuple[type[ast.AST], ...]) -> bool:
    return any(isinstance(part, kinds) for part in ast.walk(node))
