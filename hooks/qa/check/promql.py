"""PromQL: expressions, separated by blank lines."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.check.checker import Checker
from qa.failures import Problem
from qa.files import lines_of

EXPRESSION = re.compile(r"(?:^.*\S.*$\n?)+", re.MULTILINE)
COMMENT = re.compile(r"\s*#")


def _find(text: str) -> Iterator[Problem]:
    """The parser names no place, so a problem stands at the first line of its expression."""
    expressions = 0
    for match in EXPRESSION.finditer(text):
        lines = lines_of(match[0])
        code = [number for number, line in enumerate(lines) if not COMMENT.match(line)]
        if not code:
            continue
        expressions += 1
        if fault := fault_of(match[0]):
            yield Problem(text.count("\n", 0, match.start()) + code[0] + 1, fault)
    if not expressions:
        yield Problem(1, "there is nothing but comments")


def fault_of(expression: str) -> str | None:
    """What is wrong with one expression: its syntax, functions, argument types or matchers."""
    # Slow to import.
    import promql_parser

    try:
        promql_parser.parse(expression)
    except ValueError as error:
        return str(error)
    return None


CHECKER = Checker("promql", ("promql-parser",), _find, languages=("promql",), suffixes=(".promql",))
