"""Read a Markdown page: front matter, fences, sections and the values it asks for, with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from qa.failures import Failure, Failures

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *(?P<header>[^`]*)$")
HEADER = re.compile(r'^(?P<language>[\w.+-]*)(?P<options>(?: +\w+="[^"]*")*) *$')
OPTION = re.compile(r'(\w+)="([^"]*)"')
HEADING = re.compile(r"^(?P<level>#{1,6}) +(?P<title>.*?)(?: +\{ *#(?P<anchor>[\w-]+) *\})? *$")
LINK = re.compile(r"\]\(<?([^)\s>]+)")
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
VALUE = re.compile(r"(?<!\\)\{\{ *(?P<name>[A-Za-z_]\w*) *(?::(?P<format>[^{}]*))?\}\}")


@dataclass(frozen=True)
class Fence:
    """A fenced block; lines are 1-based and `end` is the line of the closing marks."""

    line: int
    end: int
    language: str
    options: dict[str, str]
    text: str


@dataclass(frozen=True)
class Value:
    """`{{ name:format }}` at columns `start` to `end` of a line."""

    line: int
    start: int
    end: int
    name: str
    format: str


@dataclass(frozen=True)
class Section:
    line: int
    level: int
    title: str
    anchor: str


@dataclass
class Page:
    """A page as its author wrote it; `name` is `<theme>/<slug>`, the same in all languages."""

    path: Path
    language: str
    name: str
    meta: dict[str, Any]
    lines: list[str]
    first: int
    """The line of the file at which the text after the front matter begins."""
    fences: list[Fence] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    links: list[tuple[str, int]] = field(default_factory=list)
    """Targets and lines."""

    @property
    def title(self) -> str:
        return next((section.title for section in self.sections if section.level == 1), self.name)

    @property
    def sources(self) -> list[str]:
        return list(self.meta.get("sources", ()))

    @property
    def cells(self) -> list[Fence]:
        return [fence for fence in self.fences if fence.language == "cell"]

    def meta_line(self, key: str) -> int:
        """The line of the front matter on which `key` stands."""
        head = self.path.read_text(encoding="utf-8").splitlines()[: self.first - 1]
        return next((n for n, line in enumerate(head, 1) if line.startswith(f"{key}:")), 1)


def read(path: Path, language: str, name: str) -> Page:
    """Parse one page. Raises Failures for bad front matter and for fences it cannot read."""
    text = path.read_text(encoding="utf-8")
    if not text.strip():
        raise Failures([Failure(path, 1, "page is empty")])
    meta, first = _front_matter(path, text)
    return scan(Page(path, language, name, meta, text.splitlines()[first - 1 :], first))


def _front_matter(path: Path, text: str) -> tuple[dict[str, Any], int]:
    lines = text.splitlines()
    if not lines or lines[0] != "---":
        return {}, 1
    try:
        end = lines.index("---", 1)
        meta = yaml.safe_load("\n".join(lines[1:end])) or {}
    except ValueError as error:
        raise Failures([Failure(path, 1, "front matter is never closed by ---")]) from error
    except yaml.YAMLError as error:
        line = error.problem_mark.line + 2 if isinstance(error, yaml.MarkedYAMLError) else 1  # type: ignore[union-attr]
        problem = getattr(error, "problem", error)
        raise Failures([Failure(path, line, f"front matter is no YAML: {problem}")]) from error
    if not isinstance(meta, dict):
        raise Failures([Failure(path, 1, "front matter is no mapping of names to values")])
    return meta, end + 2


def scan(page: Page) -> Page:
    """Fill in `fences`, `values`, `sections` and `links`. Raises Failures."""
    failures: list[Failure] = []
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(page.lines, page.first):
        match = FENCE.match(line)
        if opened:
            start, opening = opened
            marks = opening["marks"]
            closes = match and not match["header"] and match["marks"].startswith(marks)
            if closes:
                opened = None
                text = page.lines[start - page.first + 1 : number - page.first]
                try:
                    page.fences.append(_fence(page.path, start, number, opening, text))
                except Failures as error:
                    failures += error.failures
            elif opening["header"].startswith("cell"):
                page.values += _values(number, line)
        elif match:
            opened = number, match
        else:
            page.values += _values(number, line)
            page.links += [(target, number) for target in LINK.findall(line)]
            if heading := HEADING.match(line):
                level, title = len(heading["level"]), heading["title"]
                page.sections.append(Section(number, level, title, heading["anchor"] or ""))
    if opened:
        failures.append(Failure(page.path, opened[0], "fence is never closed"))
    if failures:
        raise Failures(failures)
    return page


def _values(number: int, line: str) -> Iterator[Value]:
    code = [match.span() for match in INLINE_CODE.finditer(line)]
    for match in VALUE.finditer(line):
        if not any(start <= match.start() < end for start, end in code):
            yield Value(number, *match.span(), match["name"], (match["format"] or "").strip())


def _fence(path: Path, start: int, end: int, opening: re.Match[str], text: list[str]) -> Fence:
    header = HEADER.match(opening["header"].strip())
    if not header:
        reason = f'fence header not understood: {opening["header"].strip()} (write: name="value")'
        raise Failures([Failure(path, start, reason)])
    language, options = header["language"], dict(OPTION.findall(header["options"]))
    if language in ("cell", "questions") and opening["indent"]:
        raise Failures([Failure(path, start, f"a {language} fence must not be indented")])
    return Fence(start, end, language, options, "\n".join(text))
