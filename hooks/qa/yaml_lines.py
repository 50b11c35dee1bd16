"""The one reader of YAML that authors write: every value has its line, and every fault."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from qa.failures import Failure, Failures, Problem

DEEPEST = 50
"""Mappings and lists, one in the other."""
MOST_NODES = 50_000
"""What a text holds when each alias stands for all that its anchor marks."""


class Record(dict[str, Any]):
    """A mapping that knows its line and, in `lines`, those of its keys."""

    def __init__(self, line: int = 1) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class Located(yaml.constructor.SafeConstructor):
    """Gives a value that Python refuses, such as the 13th month, the line on which it stands."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise yaml.MarkedYAMLError(problem=str(error), problem_mark=node.start_mark) from error


class _Loader(Located, yaml.SafeLoader):
    pass


class _FastLoader(Located, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    pass


def _record(loader: _Loader, node: yaml.MappingNode) -> Record:
    record = Record(node.start_mark.line + 1)
    for key, _ in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise yaml.MarkedYAMLError(problem="a key is no text", problem_mark=key.start_mark)
        if key.value in record.lines:
            # YAML forbids it; PyYAML would silently take the last one.
            raise yaml.MarkedYAMLError(
                problem=f'"{key.value}" stands twice', problem_mark=key.start_mark
            )
        record.lines[key.value] = key.start_mark.line + 1
    for name, value in loader.construct_mapping(node, deep=True).items():
        record[str(name)] = value
    return record


_Loader.add_constructor("tag:yaml.org,2002:map", _record)
_FastLoader.add_constructor("tag:yaml.org,2002:map", _record)


def refuse_bombs(text: str) -> None:
    """Raises TooMuch for what would be much larger when read than it looks.

    It takes time in proportion to the text. What is no YAML passes: its reader says so.
    """
    sizes: dict[str, int] = {}
    opened: list[tuple[str, int]] = [("", 0)]  # anchors of what is open, and its nodes so far
    for event in _events(text):
        anchor, size = getattr(event, "anchor", None) or "", 0
        if isinstance(event, yaml.CollectionStartEvent):
            opened.append((anchor, 1))
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = opened.pop()
        elif isinstance(event, yaml.ScalarEvent):
            size = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == around for around, _ in opened):
                raise TooMuch(f"alias *{anchor} stands inside of what it names", event)
            anchor, size = "", sizes.get(anchor, 1)
        if size:
            sizes[anchor] = size
            around, others = opened[-1]
            opened[-1] = around, others + size
        if len(opened) > DEEPEST:
            raise TooMuch(f"more than {DEEPEST} levels, one in the other", event)
        if opened[-1][1] > MOST_NODES:
            raise TooMuch(f"more than {MOST_NODES:,} values when aliases are filled in", event)


def _events(text: str) -> Iterator[yaml.Event]:
    """Up to the first fault."""
    with suppress(yaml.YAMLError):
        yield from yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


class TooMuch(yaml.MarkedYAMLError):
    """A text that asks for more than anyone writes by hand."""

    def __init__(self, problem: str, event: yaml.Event) -> None:
        mark: Any = event.start_mark
        super().__init__(problem=problem, problem_mark=mark)
        self.line: int = mark.line + 1


def parse(path: Path, text: str, fault: str = "no YAML") -> Any:
    """Mappings become records. Raises Failures, beginning with `fault`, for what is no YAML."""
    try:
        refuse_bombs(text)
        return yaml.load(text, _FastLoader)
    except TooMuch as error:
        reason = f"{fault}: {error.problem}"
        raise Failures([Failure(path, error.line, reason, code="yaml-too-much")]) from error
    except yaml.YAMLError:
        pass  # the other loader says more clearly what is wrong
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Failures([Failure(path, line, f"{fault}: {error.problem}", code="yaml")]) from error
    except yaml.YAMLError as error:
        raise Failures([Failure(path, 1, f"{fault}: {error}", code="yaml")]) from error


BOOL, TIMESTAMP, VALUE = (f"tag:yaml.org,2002:{name}" for name in ("bool", "timestamp", "value"))


def _resolvers_without(*tags: str) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    resolvers = yaml.SafeLoader.yaml_implicit_resolvers
    return {
        first: [(tag, pattern) for tag, pattern in pairs if tag not in tags]
        for first, pairs in resolvers.items()
    }


class Yaml11(Located, yaml.SafeLoader):
    """`on` and `yes` are booleans, as in Kubernetes; dates are strings, as in every schema."""

    yaml_implicit_resolvers = _resolvers_without(TIMESTAMP, VALUE)


class Yaml12(Located, yaml.SafeLoader):
    """`on` and `yes` are strings, as in GitHub workflows, Compose and Prometheus."""

    yaml_implicit_resolvers = _resolvers_without(TIMESTAMP, VALUE, BOOL)


Yaml12.add_implicit_resolver(BOOL, re.compile("^(true|True|TRUE|false|False|FALSE)$"), list("tTfF"))


@dataclass(frozen=True)
class Document:
    """A document that is not empty."""

    value: Any
    node: yaml.Node

    def line(self, path: Iterable[str | int]) -> int:
        """The line of what stands at `path` (keys, indices), or of the nearest part around it."""
        node, line = self.node, self.node.start_mark.line
        for step in path:
            if isinstance(node, yaml.MappingNode):
                # From the end: pairs merged in by `<<` stand before the mapping's own.
                pairs = [pair for pair in node.value if pair[0].value == str(step)]
                if not pairs:
                    break
                key, node = pairs[-1]
                line = key.start_mark.line
            elif isinstance(node, yaml.SequenceNode) and isinstance(step, int):
                node = node.value[step]
                line = node.start_mark.line
            else:
                break
        return line + 1


def read(text: str, loader: type[yaml.SafeLoader]) -> tuple[list[Document], list[Problem]]:
    """The documents up to the first syntax error, and what is wrong with the YAML itself."""
    documents: list[Document] = []
    problems: list[Problem] = []
    try:
        refuse_bombs(text)
        stream = loader(text)
        while stream.check_node():
            node = stream.get_node()
            assert node is not None, "check_node said that there is one"
            problems += _repeated_keys(node, set())
            value = stream.construct_document(node)
            if value is not None:
                documents.append(Document(value, node))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = ", ".join(filter(None, (error.context, error.problem)))
        problems.append(Problem(mark.line + 1 if mark else 1, f"no YAML: {reason}"))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        problems.append(Problem(line, f"no YAML: {error.reason}"))
    if not documents and not problems:
        problems.append(Problem(1, "there is nothing but comments"))
    return documents, problems


def _repeated_keys(node: yaml.Node, seen: set[int]) -> Iterator[Problem]:
    """`seen` are the nodes already looked at: an alias is the node that its anchor marks."""
    if id(node) in seen or isinstance(node, yaml.ScalarNode):
        return
    seen.add(id(node))
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item, seen)
        return
    lines: dict[tuple[str, str], int] = {}
    for key, value in node.value:
        if isinstance(key, yaml.ScalarNode):
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                yield Problem(line, f'key "{key.value}" stands twice, first on line {lines[name]}')
            lines.setdefault(name, line)
        yield from _repeated_keys(value, seen)
