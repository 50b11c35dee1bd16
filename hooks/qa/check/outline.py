"""Does an answer have the form of all: its lead, its sections in their order, its lengths."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from qa.check import shown
from qa.failures import Failure
from qa.pages.fences import FOLDING, Fate, lines_of_code
from qa.pages.includes import Includes
from qa.pages.lengths import HAN, WORD, readable
from qa.pages.page import Page, Section
from qa.run.notebook import Notebook
from qa.words import WORDS

NUMBER = re.compile(r"(?<![\w.])(?<!\w-)\d[\d,.]*(?: ?[-–~:/×至到] ?\d[\d,.]*)*")
"""A range is one; names such as H100 and Llama-3 hold none."""
BOX = re.compile(r'^!!! +abstract +"(?P<title>.*)" *$')
BULLET = re.compile(r"^ {4}[-*+] +\S")
BULLETS = range(3, 5)
LEAD = {"zh": (HAN, "Han", 120), "en": (WORD, "words", 80)}
"""What is counted in the lead, what it is called, and how many there may be."""
NUMBERS_IN_LEAD = 3
LONGEST = 3500
"""Han beside the code."""
MOST_CODE = 160
"""Lines."""


def check(page: Page, notebook: Notebook | None, includes: Includes) -> Iterator[Failure]:
    """`page` is an answer."""
    yield from _check_sections(page)
    yield from _check_lead(page)
    yield from _check_experiments(page)
    yield from _check_folding(page)
    yield from _check_lengths(page, notebook, includes)


def _check_sections(page: Page) -> Iterator[Failure]:
    titles = WORDS[page.language].sections
    order = list(titles)
    anchors = {title: anchor for anchor, title in titles.items()}
    found: dict[str, Section] = {}
    for section in (s for s in page.sections if s.level == 2):
        anchor = anchors.get(section.title, section.anchor)
        if anchor not in titles:
            reason = f'"{section.title}" is no section of an answer: make it one of level 3 in '
            reason += f"one of these: {', '.join(titles.values())}"
            yield Failure(page.path, section.line, reason, code="section-unknown")
        elif anchor in found:
            reason = f'section "{section.title}" stands twice, first on line {found[anchor].line}'
            yield Failure(page.path, section.line, reason, code="section-twice")
        else:
            found[anchor] = section
            if (section.title, section.anchor) != (titles[anchor], anchor):
                reason = f"write this heading: ## {titles[anchor]} {{ #{anchor} }}"
                yield Failure(page.path, section.line, reason, code="section-title")
    for anchor in order:
        if anchor not in found:
            before = [found[a].line for a in order[: order.index(anchor)] if a in found]
            reason = f"has no section: ## {titles[anchor]} {{ #{anchor} }}"
            line = max(before, default=page.first)
            yield Failure(page.path, line, reason, code="section-missing")
    for first, second in pairwise(found):
        if order.index(first) > order.index(second):
            reason = f'"{titles[second]}" stands before "{titles[first]}"'
            yield Failure(page.path, found[second].line, reason, code="section-order")


@dataclass(frozen=True)
class Lead:
    line: int
    title: str
    body: list[str]
    above: list[str]
    """What stands between the page's title and it."""

    @property
    def text(self) -> str:
        return "\n".join(self.body)


def _lead(page: Page) -> Lead | None:
    """The first box before the sections."""
    begin = next((s.line + 1 for s in page.sections if s.level == 1), page.first)
    end = next((s.line for s in page.sections if s.level == 2), page.first + len(page.lines))
    lines = page.prose[begin - page.first : end - page.first]
    for number, line in enumerate(lines):
        if box := BOX.match(line):
            return Lead(begin + number, box["title"], lines[number + 1 :], lines[:number])
    return None


def _check_lead(page: Page) -> Iterator[Failure]:
    title = WORDS[page.language].lead
    lead = _lead(page)
    if lead is None:
        reason = f'begins with no lead: write !!! abstract "{title}" below the title'
        yield Failure(page.path, page.first, reason, code="lead")
        return
    for wrong, reason in (
        (lead.title != title, f'the title of the lead is "{title}"'),
        (any(line.strip() for line in lead.above), "the lead stands directly below the title"),
    ):
        if wrong:
            yield Failure(page.path, lead.line, reason, code="lead")
    bullets = sum(1 for line in lead.body if BULLET.match(line))
    if bullets not in BULLETS:
        reason = f"the lead is a list of three or four points; it has {bullets}"
        yield Failure(page.path, lead.line, reason, code="lead")
    inside = False
    for number, line in enumerate(lead.body, lead.line + 1):
        inside = inside or bool(BULLET.match(line))
        if line.strip() and not (inside and line.startswith("    ")):
            reason = "only the list stands in the lead, and nothing between it and the sections"
            yield Failure(page.path, number, reason, code="lead")


def _check_experiments(page: Page) -> Iterator[Failure]:
    run = page.lines_of("run")
    titles = [s for s in page.sections if s.line in run and s.level == 3]
    for section in titles:
        if not section.anchor:
            reason = f'write an anchor for "{section.title}": {{ #name }}'
            yield Failure(page.path, section.line, reason, code="experiment-anchor")
    first = titles[0].line if titles else run.stop
    for cell in page.cells:
        if cell.line in run and cell.line < first:
            reason = f'cell "{cell.options.get("name", "")}" belongs to no experiment: write '
            reason += "### what it found { #name } above"
            yield Failure(page.path, cell.line, reason, code="experiment-missing")


def _check_folding(page: Page) -> Iterator[Failure]:
    for fence in page.fences:
        if page.folds(fence):
            if "open" not in fence.options and not fence.options.get("does", "").strip():
                reason = 'its code is folded: say what it does, does="...", or show it, open'
                yield Failure(page.path, fence.line, reason, code="does-missing")
        elif given := [name for name in FOLDING if name in fence.options]:
            reason = f"has {given[0]}, and is not folded: only cells are, and code below "
            reason += f"## {WORDS[page.language].sections['run']}"
            yield Failure(page.path, fence.line, reason, code="does-needless")


def _check_lengths(page: Page, notebook: Notebook | None, includes: Includes) -> Iterator[Failure]:
    """Each limit that is broken has a reason, and no other."""
    reasons = page.meta.get("over", {})
    if not isinstance(reasons, dict):
        return  # which is another fault
    lead = _lead(page)
    found = {
        "lead": (lead.line, _over_lead(page.language, lead)) if lead else (1, []),
        "han": (page.first, _over(len(HAN.findall(readable(page.prose))), LONGEST, "Han")),
        "code": (
            page.first,
            _over(_code(page, notebook, includes), MOST_CODE, "lines of code"),
        ),
    }
    for name, (line, over) in found.items():
        if over and name not in reasons:
            reason = (
                f"{' and '.join(over)}: shorten it, or say why in the front matter, over: {name}"
            )
            yield Failure(page.path, line, reason, code="length")
        elif name in reasons and not over:
            at = getattr(reasons, "lines", {}).get(name, page.meta_line("over"))
            reason = f"over: {name} is not over its limit: take the reason out"
            yield Failure(page.path, at, reason, code="length-reason")


def _over(count: int, limit: int, what: str) -> list[str]:
    return [f"{count} {what}, of at most {limit}"] if count > limit else []


def _over_lead(language: str, lead: Lead) -> list[str]:
    pattern, what, most = LEAD[language]
    text = readable(lead.body)
    count = len(NUMBER.findall(text))
    return [
        *_over(len(pattern.findall(text)), most, f"{what} in the lead"),
        *_over(count, NUMBERS_IN_LEAD, "numbers in the lead"),
    ]


def _code(page: Page, notebook: Notebook | None, includes: Includes) -> int:
    """The lines of code that can be seen on the page."""
    fences = (fence for fence in page.fences if fence.fate is not Fate.DIAGRAM)
    return sum(lines_of_code(shown.code(fence, notebook, includes)) for fence in fences)
