"""Mutants that nobody wrote: small faults that can be planted all over a notebook.

The operators are those of mutation testing in general (Offutt and others, "An Experimental
Determination of Sufficient Mutant Operators", 1996) in the form of mutmut and Cosmic Ray, where
they fit code that computes: a comparison becomes its opposite, not its neighbour, and a number
doubles, since measured results seldom lie on an edge. One is of its own: a result copied over
another, which makes a comparison empty.

Left alone is what no sentence speaks of: how figures look and what is printed, seeds, time limits,
defaults that every call overrides, functions of a module that the notebook never calls, and the
modules lent to all notebooks.
"""

from __future__ import annotations

import ast
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from qa.run.notebook import LENT, CompanionFile, Notebook
from qa.run.source import blocks

MOST = 40
"""Faults a notebook; of more there are, these are drawn at random, always the same."""
OPPOSITE: dict[type[ast.AST], str] = {
    ast.Lt: ">=", ast.GtE: "<", ast.Gt: "<=", ast.LtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
OTHER: dict[type[ast.AST], str] = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.Pow: "*", ast.BitAnd: "|", ast.BitOr: "&",
}  # fmt: skip
SWAPPED = {"min": "max", "minimum": "maximum", "argmin": "argmax", "any": "all"}
SWAPPED |= {other: name for name, other in SWAPPED.items()}
DRAWING = {"ax", "axes", "fig", "plt", "plots"}
"""Names of what a figure is drawn with, and all that is made of them."""
SAYING = {"print", "display"}
ROUNDING = {"round", "head", "tail", "default_rng", "Random", "manual_seed", "seed", "sleep"}
"""Calls whose numbers say how much is shown, by what chance, or how long to wait."""
HOUSEKEEPING = SAYING | ROUNDING | {
    "show", "close", "stop", "shutdown", "filterwarnings", "simplefilter", "set_num_threads",
}  # fmt: skip
SETTING = re.compile(
    r"(?i)seeds?|.*_seeds?|random_state|rng|generator|.*timeout.*|retries|figsize|dpi|layout"
    r"|labels?|title|colou?r|alpha|lw|ls|loc|strict|check|capture_output|text|daemon|flush"
    r"|precision|decimals|verbose|verbosity|n_jobs|num_workers|threads|copy|exist_ok|parents|sort_keys|indent"
)
"""Names of parameters, and of variables that become such."""
SMALLEST = 1e-7
"""A smaller number guards against rounding or division by zero."""


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
    kind: str


Change = tuple[str, ast.expr | ast.stmt, str]
"""Its kind, what it takes the place of, and the text that does."""


def draw(notebook: Notebook, most: int = MOST) -> list[Planted]:
    """As many of each kind as there are, up to `most`, in the order of the code."""
    found = list(faults(notebook))
    random.Random(notebook.name).shuffle(found)
    seen: Counter[str] = Counter()

    def turn(fault: Planted) -> int:
        seen[fault.kind] += 1
        return seen[fault.kind]

    return sorted(sorted(found, key=turn)[:most], key=lambda each: (str(each.part), each.start))


def where(notebook: Notebook, planted: Planted) -> tuple[Path, int]:
    """The file and the line of it."""
    if isinstance(planted.part, str):
        return notebook.files[planted.part].path, planted.start[0]
    return notebook.path, notebook.code[planted.part].line + planted.start[0] - 1


def plant(notebook: Notebook, planted: Planted) -> Notebook:
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


def faults(notebook: Notebook) -> Iterator[Planted]:
    """All that can be planted in the cells and in the modules that come with them."""
    texts: dict[int | str, str] = {
        n: c.source for n, c in enumerate(notebook.code) if not c.must_raise
    }
    texts |= {
        name: file.text
        for name, file in notebook.files.items()
        if name.endswith(".py") and not file.path.is_relative_to(LENT)
    }
    trees = {part: tree for part, text in texts.items() if (tree := _parsed(text))}
    parts = _Parts(trees)
    for part, tree in trees.items():
        source, shown = texts[part], tree.body[-1] if tree.body else None
        for kind, node, text in parts.changes(tree.body, set(DRAWING), set()):
            if kind == "dropped" and node is shown and isinstance(node, ast.Expr):
                continue
            assert node.end_lineno is not None and node.end_col_offset is not None
            start, end = (node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset)
            was = ast.get_source_segment(source, node) or ""
            yield Planted(part, start, end, text, was, kind)


def _parsed(source: str) -> ast.Module | None:
    try:
        return ast.parse(source)
    except SyntaxError:
        return None  # magics, whose places in the text are not Python's


def _called(node: ast.AST) -> str:
    """The name by which something is called, of whatever it is an attribute."""
    match node:
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name
        case ast.Await(value=value):
            return _called(value)
    return ""


def _names(node: ast.AST) -> set[str]:
    """All that are mentioned, those of attributes and imports among them."""
    found = set()
    for each in ast.walk(node):
        match each:
            case ast.Name(id=name) | ast.Attribute(attr=name) | ast.alias(name=name):
                found.add(name)
    return found


class _Parts:
    """The code of a notebook and its modules, with what must be known of all to read one."""

    def __init__(self, trees: Mapping[int | str, ast.Module]):
        nodes = [node for tree in trees.values() for node in ast.walk(tree)]
        self.calls = [node for node in nodes if isinstance(node, ast.Call)]
        self.used = self._used(trees)

    def _used(self, trees: Mapping[int | str, ast.Module]) -> set[str]:
        """Names that the cells mention, and the functions that these names stand for."""
        cells = [tree for part, tree in trees.items() if not isinstance(part, str)]
        modules = [s for part, t in trees.items() if isinstance(part, str) for s in t.body]
        defined = {s.name: s for s in modules if isinstance(s, ast.FunctionDef | ast.ClassDef)}
        others = [s for s in modules if not isinstance(s, ast.FunctionDef | ast.ClassDef)]
        used: set[str] = set()
        pending = set().union(*map(_names, [*cells, *others]))
        while pending:
            used |= pending
            bodies = (_names(defined[name]) for name in pending & defined.keys())
            pending = set().union(*bodies) - used
        return used

    def changes(
        self, body: Iterable[ast.stmt], drawing: set[str], bound: set[str]
    ) -> Iterator[Change]:
        """Of statements that compute something, innermost ones by themselves.

        `drawing` are names of what figures are drawn with, `bound` those that have a value; what
        the statements add to them is added.
        """
        alike: dict[str, str] = {}
        for statement in body:
            if self._is_left_alone(statement):
                continue
            if not drawing.isdisjoint(_names(statement)):
                drawing |= _made(statement, drawing)
                continue
            yield from _dropped(statement, bound)
            yield from _copied(statement, alike)
            for node in self._nodes(statement):
                yield from _changed(node)
            own = set() if isinstance(statement, ast.FunctionDef | ast.ClassDef) else bound
            for inner in blocks(statement):
                yield from self.changes(inner, drawing, own)
            bound |= _stored(statement)

    def _is_left_alone(self, statement: ast.stmt) -> bool:
        match statement:
            case ast.Assert() | ast.Import() | ast.ImportFrom():
                return True
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                return name not in self.used
        return False

    def _nodes(self, node: ast.AST) -> Iterator[ast.AST]:
        """It and what is below, without inner statements and what no sentence speaks of."""
        yield node
        for child in self._children(node):
            yield from self._nodes(child)

    def _children(self, node: ast.AST) -> list[ast.AST]:
        match node:
            case ast.JoinedStr() | ast.ClassDef():
                return []
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                return self._defaults(node)
            case ast.AnnAssign(value=value):
                return [value] if value else []
            case ast.Assign(targets=[ast.Name(id=name)]) if SETTING.fullmatch(name):
                return []
            case ast.For(target=ast.Name(id=name)) if SETTING.fullmatch(name):
                return []
            case ast.comprehension(target=ast.Name(id=name)) if SETTING.fullmatch(name):
                return [*node.ifs]
            case ast.Call():
                return _arguments(node)
        inner = ast.stmt | ast.excepthandler | ast.match_case
        return [each for each in ast.iter_child_nodes(node) if not isinstance(each, inner)]

    def _defaults(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.AST]:
        """Those that some call takes."""
        arguments = function.args
        names = [each.arg for each in arguments.posonlyargs + arguments.args]
        calls = [call for call in self.calls if _called(call) == function.name]
        first = len(names) - len(arguments.defaults)
        found = [(n, names[n], v) for n, v in enumerate(arguments.defaults, first)]
        found += [
            (len(names), argument.arg, value)
            for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if value
        ]
        return [value for place, name, value in found if _is_taken(place, name, calls)]


def _is_taken(place: int, name: str, calls: list[ast.Call]) -> bool:
    """Whether a call leaves the parameter out; nobody knows of a function that others call."""
    return not SETTING.fullmatch(name) and not (
        calls
        and all(
            len(call.args) > place or name in {each.arg for each in call.keywords} for call in calls
        )
    )


def _arguments(call: ast.Call) -> list[ast.AST]:
    name = _called(call)
    if name in SAYING:
        return []
    values = [*call.args, *(k.value for k in call.keywords if not SETTING.fullmatch(k.arg or ""))]
    if name in ROUNDING:
        values = [each for each in values if not isinstance(each, ast.Constant)]
    return [call.func, *values]


def _made(statement: ast.stmt, drawing: set[str]) -> set[str]:
    """Names of what a statement makes of what is drawn with."""
    match statement:
        case ast.Assign(targets=targets):
            return set().union(*map(_names, targets))
        case ast.For(target=target, iter=over) if not drawing.isdisjoint(_names(over)):
            return _names(target)
    return set()


def _dropped(statement: ast.stmt, bound: set[str]) -> Iterator[Change]:
    """Where that leaves no name without a value, which any run would notice."""
    match statement:
        case ast.AugAssign():
            yield "dropped", statement, "pass"
        case ast.Expr(value=call) if _called(call) and _called(call) not in HOUSEKEEPING:
            yield "dropped", statement, "pass"
        case ast.Assign(targets=[target]) if not _stored(target) - bound:
            yield "dropped", statement, "pass"


def _stored(node: ast.AST) -> set[str]:
    return {
        each.id
        for each in ast.walk(node)
        if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store)
    }


def _copied(statement: ast.stmt, alike: dict[str, str]) -> Iterator[Change]:
    """`alike` are names of results of this body, each the last one of its form."""
    match statement:
        case ast.Assign(targets=[ast.Tuple(elts=elements)], value=value):
            names = [e.id for e in elements if isinstance(e, ast.Name) and e.id.strip("_")]
            if not all(isinstance(each, ast.Constant) for each in getattr(value, "elts", [value])):
                for one, other in pairwise(names):
                    yield "copied", statement, f"{ast.unparse(statement)}; {other} = {one}"
        case ast.Assign(targets=[ast.Name(id=name)], value=value) if form := _form(value):
            if alike.get(form, name) != name:
                yield "copied", statement, f"{ast.unparse(statement)}; {name} = {alike[form]}"
            alike[form] = name


def _form(value: ast.expr) -> str:
    """Results of the same form can be taken for each other."""
    if isinstance(value, ast.BinOp | ast.Subscript):
        return type(value).__name__
    return _called(value)


def _changed(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.If(test=test) | ast.IfExp(test=test):
            yield "negated", test, f"(not ({ast.unparse(test)}))"
        case ast.While(test=test):
            yield "negated", test, "False"
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield "negated", node, f"({ast.unparse(operand)})"
        case ast.BoolOp(op=op, values=values):
            other = " or " if isinstance(op, ast.And) else " and "
            yield "negated", node, f"({other.join(f'({ast.unparse(each)})' for each in values)})"
        case ast.Compare(left=left, ops=[op], comparators=[right]):
            text = f"({ast.unparse(left)} {OPPOSITE[type(op)]} {ast.unparse(right)})"
            yield "compared", node, text
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OTHER:
            if not any(isinstance(side, ast.JoinedStr) for side in (left, right)):
                text = f"(({ast.unparse(left)}) {OTHER[type(op)]} ({ast.unparse(right)}))"
                yield "computed", node, text
        case ast.Call(func=ast.Name(id=name) as func) if name in SWAPPED:
            yield "swapped", func, SWAPPED[name]
        case ast.Call(func=ast.Attribute(value=of, attr=name) as func) if name in SWAPPED:
            yield "swapped", func, f"({ast.unparse(of)}).{SWAPPED[name]}"
        case ast.Constant(value=bool() as value):
            yield "constant", node, str(not value)
        case ast.Constant(value=int() | float() as value) if value == 0 or value >= SMALLEST:
            yield "constant", node, repr(value * 2 or 1)
