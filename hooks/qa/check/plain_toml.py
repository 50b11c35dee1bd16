"""TOML, which the parser of the standard library reads in full."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from qa.check.checker import Checker
from qa.failures import Problem
from qa.files import lines_of

PLACE = re.compile(r" \(at (?:line (?P<line>\d+), column \d+|end of document)\)$")


def _find(text: str) -> Iterator[Problem]:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        # Before Python 3.14 the line stands in the message alone.
        place = PLACE.search(str(error))
        line = place["line"] if place else None
        yield Problem(int(line or len(lines_of(text))), PLACE.sub("", str(error)))


CHECKER = Checker("toml", (), _find, languages=("toml",), suffixes=(".toml",))
