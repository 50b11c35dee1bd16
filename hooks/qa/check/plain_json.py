"""JSON as RFC 8259 has it: no comments, no NaN, and no name twice in an object."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from qa.check.checker import Checker
from qa.failures import Problem

STRING = r'"(?:[^"\\]|\\.)*"'
TOKEN = re.compile(rf"(?P<name>{STRING})\s*:|{STRING}|[{{}}]|NaN|-?Infinity")


class NotANumber(Exception):
    """`NaN`, `Infinity` or `-Infinity`, which Python would read."""


def _find(text: str) -> Iterator[Problem]:
    try:
        json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        yield Problem(error.lineno, f"{error.msg} (column {error.colno})")
        return
    except NotANumber as error:
        outside = (token for token in TOKEN.finditer(text) if token[0] == str(error))
        yield Problem(_line(text, next(outside).start()), f"{error} is no JSON number")
        return
    yield from _repeated_names(text)


def _refuse(constant: str) -> None:
    raise NotANumber(constant)


def _repeated_names(text: str) -> Iterator[Problem]:
    """The parser has read `text`, so the brackets match; each object has names and lines."""
    objects: list[dict[str, int]] = []
    for token in TOKEN.finditer(text):
        if token["name"]:
            name, line = json.loads(token["name"]), _line(text, token.start())
            if name in objects[-1]:
                first = objects[-1][name]
                yield Problem(line, f'name "{name}" stands twice, first on line {first}')
            objects[-1].setdefault(name, line)
        elif token[0] == "{":
            objects.append({})
        elif token[0] == "}":
            objects.pop()


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


CHECKER = Checker("json", (), _find, languages=("json",), suffixes=(".json",))
