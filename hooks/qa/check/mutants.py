"""Mutants of a notebook say which sentences they make false: those stand on its page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qa.failures import Failure
from qa.forms import nearest
from qa.pages.page import Page, Section
from qa.run.mutants import Mutant


def check(mutants: Iterable[Mutant], page: Page) -> Iterator[Failure]:
    """Their anchors are on the page, and each experiment of its run has one."""
    mutants = list(mutants)
    known = {section.anchor for section in page.sections} | page.markup.ids
    known |= {f"cell-{fence.options.get('name', '')}" for fence in page.cells}
    for mutant in mutants:
        if mutant.anchor not in known:
            yield mutant.fault(
                f'no anchor "{mutant.anchor}" on {page.language}/{page.name}.md'
                f"{nearest(mutant.anchor, known)}"
            )
    aimed = {mutant.anchor for mutant in mutants}
    caught = {mutant.caught_by for mutant in mutants}
    for section, end in _experiments(page):
        cells = {f.options.get("name") for f in page.cells if section.line < f.line < end}
        if mutants and section.anchor not in aimed and not cells & caught:
            reason = f'experiment "{section.title}" has no mutant in {mutants[0].path.name}'
            yield Failure(page.path, section.line, reason, code="experiment-without-mutant")


def _experiments(page: Page) -> Iterator[tuple[Section, int]]:
    """The sections of the run, each with the line on which the next one begins."""
    inside = False
    for number, section in enumerate(page.sections):
        if section.level < 3:
            inside = section.anchor == "run"
        elif inside and section.level == 3:
            following = (s.line for s in page.sections[number + 1 :] if s.level <= 3)
            yield section, next(following, page.first + len(page.lines))
