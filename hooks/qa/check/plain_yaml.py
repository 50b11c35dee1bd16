"""YAML of which no more is known: its syntax, and no key twice."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check.checker import Checker
from qa.failures import Problem
from qa.yaml_lines import Yaml12, read


class AnyTag(Yaml12):
    """A tag that some program knows (`!reference`, `!Ref`) is good YAML."""


AnyTag.add_constructor(None, lambda loader, node: None)


def _find(text: str) -> Iterator[Problem]:
    _, problems = read(text, AnyTag)
    yield from problems


CHECKER = Checker("yaml", ("PyYAML",), _find)
