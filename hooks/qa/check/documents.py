"""YAML documents with the lines on which their parts stand; a key that stands twice is refused."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from qa.check.checker import Problem
from qa.yaml_lines import Located, refuse_bombs

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
