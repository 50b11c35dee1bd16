"""Read a Markdown page: front matter, fences, sections and the values it asks for, with lines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from markdown.extensions.toc import slugify

from qa import files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages import fences, markup
from qa.pages.fences import FENCE, Fate, Fence
from qa.pages.labels import Labels
from qa.pages.markup import Markup
from qa.yaml_lines import Record

HEADING = re.compile(
    r"^(?P<level>#{1,6}) +(?P<title>.*?)(?: +\{:?[^{}#]*#(?P<anchor>[\w-]+)[^{}]*\})? *$"
)
INLINE_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)")
FORMS = {"sources": [str], "labels": {"*": str}}
"""Of what the front matter holds that is read before the rest of it is checked."""
VALUE = re.compile(
    r"(?<!\\)\{\{ *(?P<name>facts(?:\.\w+)+|[A-Za-z_]\w*) *(?::(?P<format>[^{}]*))?\}\}"
)


@dataclass(frozen=True)
class Value:
    """`{{ name:format }}` at columns `start` to `end` of a line."""

    line: int
    start: int
    end: int
    name: str
    format: str

    @property
    def fact(self) -> str:
        """Which one it is, or nothing."""
        return self.name.partition("facts.")[2]


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
    meta: Record
    lines: list[str]
    first: int
    """The line of the file at which the text after the front matter begins."""
    prose: list[str] = field(default_factory=list)
    """The lines, with empty ones in place of blocks of code."""
    fences: list[Fence] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    markup: Markup = field(default_factory=Markup)

    @property
    def title(self) -> str:
        return next((section.title for section in self.sections if section.level == 1), self.name)

    @property
    def sources(self) -> list[str]:
        return list(self.meta.get("sources", ()))

    @property
    def tags(self) -> list[str]:
        """Identifiers of the terms that the page is about."""
        return [slugify(tag, "-") for tag in self.meta.get("tags", ())]

    @cached_property
    def labels(self) -> Labels:
        return Labels(self.language, self.meta.get("labels", {}))

    @property
    def cells(self) -> list[Fence]:
        return [fence for fence in self.fences if fence.fate is Fate.CELL]

    def lines_of(self, anchor: str) -> range:
        """Those of the section of level 2 with this anchor; none if there is none."""
        starts = [s for s in self.sections if s.level <= 2]
        ends = [s.line for s in starts[1:]] + [self.first + len(self.lines)]
        found = (
            range(s.line, end) for s, end in zip(starts, ends, strict=True) if s.anchor == anchor
        )
        return next(found, range(0))

    def folds(self, fence: Fence) -> bool:
        """Whether its code is shown on demand: that of cells is, and all in the run."""
        if fence.fate in (Fate.DIAGRAM, Fate.LIST):
            return False
        return fence.fate is Fate.CELL or fence.line in self.lines_of("run")

    def shows(self, what: str) -> bool:
        """Whether a fence stands here that becomes a list, for example of `terms`."""
        return any(fence.language == what for fence in self.fences)

    def meta_line(self, key: str) -> int:
        """The line of the front matter on which `key` stands."""
        return self.meta.lines.get(key, 1)


def read(path: Path, language: str, name: str) -> Page:
    """Parse one page. Raises Failures for bad front matter and for fences it cannot read."""
    text = files.read_text(path)
    if not text.strip():
        raise Failures([Failure(path, 1, "page is empty", code="page-empty")])
    meta, first = front_matter(path, text)
    lines = files.lines_of(text)[first - 1 :]
    if not any(line.strip() for line in lines):
        reason = "page has no text below its front matter"
        raise Failures([Failure(path, 1, reason, code="page-without-text")])
    return scan(Page(path, language, name, meta, lines, first))


def front_matter(path: Path, text: str) -> tuple[Record, int]:
    lines = files.lines_of(text)
    if not lines or lines[0].rstrip() != "---":
        return Record(), 1
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), 0)
    if not end:
        raise Failures(
            [Failure(path, 1, "front matter is never closed by ---", code="front-matter")]
        )
    # The empty line in place of the first --- keeps the lines of the file.
    meta = yaml_lines.parse(path, "\n".join(["", *lines[1:end]]), "front matter is no YAML")
    if meta is None:
        meta = Record()
    if not isinstance(meta, Record):
        raise Failures(
            [Failure(path, 1, "front matter is no mapping of names to values", code="front-matter")]
        )
    for key in FORMS.keys() & meta.keys():
        if faults := list(forms.check(path, meta[key], FORMS[key], key, meta.lines[key])):
            raise Failures(faults)
    return meta, end + 2


def scan(page: Page) -> Page:
    """Fill in `fences`, `values`, `sections` and `markup`. Raises Failures."""
    failures: list[Failure] = []
    page.prose = prose = [""] * len(page.lines)
    opened: tuple[int, re.Match[str]] | None = None
    for number, line in enumerate(page.lines, page.first):
        match = FENCE.match(line)
        if opened:
            start, opening = opened
            if fences.closes(line, opening):
                opened = None
                text = page.lines[start - page.first + 1 : number - page.first]
                try:
                    page.fences.append(fences.read(page.path, start, number, opening, text))
                except Failures as error:
                    failures += error.failures
            elif opening["header"].startswith("cell"):
                page.values += _values(number, line)
                prose[number - page.first] = line
        elif match:
            opened = number, match
        else:
            page.values += _values(number, line)
            prose[number - page.first] = line
            if heading := HEADING.match(line):
                level, title = len(heading["level"]), heading["title"]
                page.sections.append(Section(number, level, title, heading["anchor"] or ""))
    if opened:
        failures.append(
            Failure(page.path, opened[0], "fence is never closed", code="fence-unclosed")
        )
    if failures:
        raise Failures(failures)
    page.markup = markup.read("\n".join(prose), page.first)
    return page


def _values(number: int, line: str) -> Iterator[Value]:
    code = [match.span() for match in INLINE_CODE.finditer(line)]
    for match in VALUE.finditer(line):
        if not any(start <= match.start() < end for start, end in code):
            yield Value(number, *match.span(), match["name"], (match["format"] or "").strip())
