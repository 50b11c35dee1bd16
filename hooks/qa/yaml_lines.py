"""Read YAML that authors write, and compare it with a form; each fault has its line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from qa.failures import Failure, Failures

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


def check(path: Path, value: object, form: object, what: str, line: int = 1) -> Iterator[Failure]:
    """Where `value`, named `what`, differs from `form`.

    A form is `str` for a text, `object` for anything, `True` for itself, `[form]` for a list, or a
    mapping, in which a key that ends in "?" may be left out.
    """
    if isinstance(form, dict):
        if isinstance(value, Record):
            yield from _check_keys(path, value, form, what)
        else:
            yield Failure(path, line, f"{what} is no mapping with {_names(form)}", code="form")
    elif isinstance(form, list):
        if isinstance(value, list):
            for item in value:
                at = item.line if isinstance(item, Record) else line
                yield from check(path, item, form[0], f"an entry of {what}", at)
        else:
            yield Failure(path, line, f"{what} is no list", code="form")
    elif form is str and not isinstance(value, str):
        yield Failure(path, line, f"{what} is no text", code="form")
    elif form is str and not str(value).strip():
        yield Failure(path, line, f"{what} is empty", code="form")
    elif form is True and value is not True:
        yield Failure(path, line, f"{what} may only be true: leave it out otherwise", code="form")


def _check_keys(
    path: Path, record: Record, form: dict[str, object], what: str
) -> Iterator[Failure]:
    inner = {key.removesuffix("?"): value for key, value in form.items()}
    for key in form:
        if not key.endswith("?") and key not in record:
            yield Failure(path, record.line, f'{what} has no "{key}"', code="form")
    for key, value in record.items():
        at = record.lines.get(key, record.line)
        if key in inner:
            yield from check(path, value, inner[key], key, at)
        else:
            hint = nearest(key, inner)
            yield Failure(path, at, f'{what} has an unknown key "{key}"{hint}', code="form")


def _names(form: dict[str, object]) -> str:
    return ", ".join(key for key in form if not key.endswith("?"))


def nearest(name: str, names: Iterable[str]) -> str:
    """The end of a reason: what a misspelt name may have meant, if anything is near."""
    found = get_close_matches(name, list(names), 1)
    return f'; did you mean "{found[0]}"?' if found else ""
