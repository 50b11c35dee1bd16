"""Is the built page what its author wrote? Each block of code and each heading of the HTML is one
that was accounted for, and no mark of Markdown is left in its text. Of any generator's making."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from html import unescape
from typing import TypeVar

from qa.check import html, marks
from qa.check.html import Article
from qa.files import lines_of

T = TypeVar("T")

FORMULA = r'<span class="arithmatex">\\\((?P<{}>[^<]*)\\\)</span>'
MONEY = re.compile(rf"{FORMULA.format('after')}[0-9$]|[A-Za-z0-9$]{FORMULA.format('before')}")
LINKED = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")


@dataclass(frozen=True)
class Written:
    """What an author wrote: `lines`, the first of which is line `first` of a file; the text of
    each block of code that was run, checked or waived, with its line; the headings as line, level
    and title. Line 0 is of what the build adds."""

    lines: list[str]
    first: int
    code: list[tuple[int, str]]
    headings: list[tuple[int, int, str]]
    numbers: list[tuple[int, int]]
    """Of the items of numbered lists, each with its line."""

    def place(self, text: str) -> int:
        """The line that holds `text`, or else the most of its words."""
        text = unescape(text).lower()
        words = [word for word in re.split(r"\W+", text) if word]

        def score(line: str) -> int:
            found = sum(len(word) for word in words if word in line)
            return found + len(text) * (text in line) + len(text) * (text == line.strip())

        scores = [score(line.lower()) for line in self.lines]
        best = max(scores, default=0)
        return self.first + (scores.index(best) if best else 0)


@dataclass(frozen=True)
class Finding:
    line: int
    reason: str
    code: str


def check(content: str, written: Written) -> Iterator[Finding]:
    """`content` is the HTML of the article."""
    article = html.read(content)
    for fault in article.faults:
        yield Finding(written.place(fault.near), fault.reason, fault.code)
    yield from _check_code(article, written)
    yield from _check_headings(article, written)
    for name, count in Counter(article.ids).items():
        if count > 1:
            reason = f'"#{name}" names {count} places on this page'
            yield Finding(written.place(f"#{name}"), reason, "id-twice")
    yield from _check_numbers(article, written)
    yield from _check_marks(article, written)
    for match in MONEY.finditer(content):
        formula = unescape(match["after"] or match["before"])
        reason = f'"${formula}$" is read as mathematics: write a dollar as \\$'
        yield Finding(written.place(formula), reason, "money")


def _differences(ours: list[T], theirs: list[T]) -> Iterator[tuple[range, range]]:
    """What stands in one only, as places in both; what only differs is one of ours."""
    for kind, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        if kind != "equal":
            yield range(a, b), range(c + b - a, d)


def _check_code(article: Article, written: Written) -> Iterator[Finding]:
    ours, theirs = [_bare(text) for _, text in written.code], [_bare(t) for t in article.blocks]
    for lost, found in _differences(ours, theirs):
        for number in lost:
            reason = (
                "this code is not shown as it was checked: look at its indentation, its tabs, its "
                "closing marks, and at what stands around it"
            )
            yield Finding(written.code[number][0], reason, "code-not-shown")
        for number in found:
            first = theirs[number].lstrip("\n").partition("\n")[0].strip()
            reason = f'"{first}" is shown as code, and stands in no fence that is run or checked'
            yield Finding(written.place(first), reason, "code-unaccounted")


def _bare(text: str) -> str:
    """Without what nobody sees: spaces at the ends of lines, empty lines around."""
    return "\n".join(line.rstrip() for line in lines_of(text)).strip("\n")


def _check_headings(article: Article, written: Written) -> Iterator[Finding]:
    ours = [(level, _words(LINKED.sub(r"\1", title))) for _, level, title in written.headings]
    theirs = [(level, _words(title)) for level, title in article.headings]
    for lost, found in _differences(ours, theirs):
        for number in lost:
            line, level, title = written.headings[number]
            reason = f'"{title}" is no heading of level {level} on the built page'
            yield Finding(line or written.first, reason, "heading-not-shown")
        for number in found:
            level, title = article.headings[number]
            title = title.rstrip("¶")
            reason = f'"{title}" becomes a heading: write one as {"#" * level} {title}'
            yield Finding(written.place(title), reason, "heading-unmeant")


def _check_numbers(article: Article, written: Written) -> Iterator[Finding]:
    """Where both do not have the same items, that is another fault."""
    if len(article.numbers) != len(written.numbers):
        return
    for theirs, (line, ours) in zip(article.numbers, written.numbers, strict=True):
        if ours not in (theirs, 1):
            reason = (
                f"item {ours} is shown as {theirs}: what stands between the items of a list is "
                "indented by 4, and a list begins with 1"
            )
            yield Finding(line, reason, "list-number")


def _words(text: str) -> str:
    return re.sub(r"[\W_]+", "", unescape(text))


def _check_marks(article: Article, written: Written) -> Iterator[Finding]:
    for text in article.prose:
        for code, mark, what, around in marks.find(text):
            mark, number = unescape(mark), written.place(unescape(around))
            # What an author escaped on this line is meant as it is.
            if f"\\{mark[0]}" not in written.lines[number - written.first]:
                yield Finding(number, f'"{mark}" is left as it stands: it {what}', code)
