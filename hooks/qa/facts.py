"""Facts that hold for a version or until a date, such as an engine's defaults: docs/facts.yml.

Each stands there once, with its source. Pages name it as `{{ facts.group.name }}`, notebooks as
`fact("group.name")`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.forms import nearest
from qa.yaml_lines import Record

NAME = re.compile(r"[a-z][a-z0-9_]*")
URL = re.compile(r"https?://[^\s<>()\"'\\]+")
EXPONENT = re.compile(r"[-+]?\d+(\.\d+)?[eE]\d+")
"""YAML takes it for a text."""
TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
SHARED = {"as_of?": object, "review?": object, "source?": {"title": str, "url": str}}
"""What a group may say for all of its facts."""
FACT = {"value": object, "unit?": str, "what?": TEXTS, **SHARED}
FORM = {"*": {"title": TEXTS, **SHARED, "facts": {"*": FACT}}}
CODE = "facts"
FILE = "facts.yml"
"""In docs/."""

Value = bool | int | float | str


@dataclass(frozen=True)
class Source:
    title: str
    url: str


@dataclass(frozen=True)
class Fact:
    """`id` is `group.name`; `what` says in each language what it is, if the name does not.
    From the day `review` on somebody should look whether it still holds."""

    id: str
    line: int
    value: Value
    unit: str
    what: Mapping[str, str]
    as_of: date
    review: date
    source: Source

    @property
    def group(self) -> str:
        return self.id.partition(".")[0]

    @property
    def name(self) -> str:
        return self.id.partition(".")[2]


@dataclass(frozen=True)
class Facts:
    """`titles` are those of the groups, by language, and `by_id` all facts, in their order."""

    path: Path
    titles: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    by_id: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def names(self) -> Collection[str]:
        """All that a notebook may ask for: facts, and groups of them."""
        return self.by_id.keys() | self.titles.keys()

    @cached_property
    def values(self) -> dict[str, Value]:
        """By what a page names in `{{ }}`."""
        return {f"facts.{name}": fact.value for name, fact in self.by_id.items()}

    def named(self, texts: Collection[str]) -> list[Fact]:
        """Those of which the name, or that of the group, is one of the texts."""
        return [f for f in self.by_id.values() if f.id in texts or f.group in texts]

    def fault(self, name: str) -> str:
        """What is wrong with a name that is none of `names`."""
        return f'no fact "{name}" in {self.path.name}{nearest(name, self.names)}'

    def overdue(self, today: date) -> list[Fact]:
        return [fact for fact in self.by_id.values() if fact.review <= today]


def today() -> date:
    """That of the build, which SOURCE_DATE_EPOCH may set."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    now = datetime.fromtimestamp(int(seconds), UTC) if seconds else datetime.now(UTC)
    return now.date()


def as_json(facts: Iterable[Fact]) -> str:
    """Their values by group and name, a fact on a line."""
    values: dict[str, dict[str, Value]] = {}
    for fact in facts:
        values.setdefault(fact.group, {})[fact.name] = fact.value
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"


def names_in(text: str) -> list[str]:
    """Those of the facts in it; see `as_json`."""
    return [f"{group}.{name}" for group, values in json.loads(text).items() for name in values]


def read(path: Path) -> Facts:
    """There are none without the file. Raises Failures, with lines, for what has not the form."""
    return _parse(path, files.read_text(path)) if path.exists() else Facts(path)


@lru_cache(maxsize=4)
def _parse(path: Path, text: str) -> Facts:
    found = yaml_lines.parse(path, text)
    failures = list(forms.check(path, found, FORM, "the file of facts"))
    if not failures:
        failures = [*_check_groups(path, found)]
    if failures:
        raise Failures(failures)
    titles = {name: dict(group["title"]) for name, group in found.items()}
    all_facts = (
        _fact(f"{group}.{name}", found[group]["facts"].lines[name], {**found[group], **record})
        for group in found
        for name, record in found[group]["facts"].items()
    )
    return Facts(path, titles, {fact.id: fact for fact in all_facts})


def _fact(identifier: str, line: int, given: Mapping[str, Any]) -> Fact:
    what, source = dict(given.get("what", {})), Source(**given["source"])
    values = (given["value"], given.get("unit", ""), what, given["as_of"], given["review"], source)
    return Fact(identifier, line, *values)


def _check_groups(path: Path, groups: Record) -> Iterator[Failure]:
    last = ""
    for name, group in groups.items():
        line = groups.lines[name]
        if name < last:
            reason = f'groups stand in the order of their names: "{name}" before "{last}"'
            yield Failure(path, line, reason, code=CODE)
        last = name
        yield from _check_name(path, line, name)
        yield from _check_shared(path, group)
        for each, record in group["facts"].items():
            yield from _check_name(path, group["facts"].lines[each], each)
            yield from _check_shared(path, record)
            yield from _check_fact(path, f"{name}.{each}", record, group)


def _check_name(path: Path, line: int, name: str) -> Iterator[Failure]:
    if not NAME.fullmatch(name):
        reason = f'"{name}" is no name: it begins with a letter, and holds a to z, digits and _'
        yield Failure(path, line, reason, code=CODE)


def _check_shared(path: Path, record: Record) -> Iterator[Failure]:
    for key in ("as_of", "review"):
        if key in record and type(record[key]) is not date:
            reason = f"{key} is no date: write 2026-01-31, without quotes"
            yield Failure(path, record.lines[key], reason, code=CODE)
    source = record.get("source")
    if source and not URL.fullmatch(source["url"]):
        reason = f'"{source["url"]}" is no address: https://..., without spaces and brackets'
        yield Failure(path, source.lines["url"], reason, code=CODE)


def _check_fact(path: Path, name: str, record: Record, group: Record) -> Iterator[Failure]:
    value = record["value"]
    if not isinstance(value, Value):
        reason = f"the value of {name} is no number, text, true or false"
        yield Failure(path, record.lines["value"], reason, code=CODE)
    elif isinstance(value, str) and EXPONENT.fullmatch(value):
        reason = f"{value} is a text to YAML: a number is written 1.5e+12"
        yield Failure(path, record.lines["value"], reason, code=CODE)
    for key in (key.removesuffix("?") for key in SHARED):
        if key not in record and key not in group:
            reason = f'{name} has no "{key}", and neither has its group'
            yield Failure(path, record.line, reason, code=CODE)
    as_of, review = (record.get(key, group.get(key)) for key in ("as_of", "review"))
    if type(as_of) is type(review) is date and review <= as_of:
        line = record.lines.get("review", record.line)
        reason = f"{name} is to be reviewed on {review}, which is not after {as_of}"
        yield Failure(path, line, reason, code=CODE)
