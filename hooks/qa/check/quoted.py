"""Is what a page quotes of others there: their leads, and a figure of a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qa.failures import Failure
from qa.forms import nearest
from qa.pages import quoted
from qa.pages.fences import Fence
from qa.pages.figures import figures_of
from qa.pages.page import Page
from qa.run.store import CellResult, Result


def check(
    page: Page, others: Mapping[str, Mapping[str, Page]], results: Mapping[str, Result]
) -> Iterator[Failure]:
    """`others` are all pages, by name and language."""
    for fence in page.fences:
        if fence.language == "answers":
            for reason in _faults(page, fence, others, results):
                yield Failure(page.path, fence.line, reason, code="quoted")


def _faults(
    page: Page,
    fence: Fence,
    others: Mapping[str, Mapping[str, Page]],
    results: Mapping[str, Result],
) -> Iterator[str]:
    for name in quoted.names(fence):
        other = others.get(name, {}).get(page.language)
        if other is None or not other.sources:
            answers = [each for each, pages in others.items() if next(iter(pages.values())).sources]
            yield f'"{name}" is no page that answers a question{nearest(name, answers)}'
        elif not any(line.strip() for line in other.lines[quoted.lead(other)]):
            yield f'{other.path.name} has no lead to quote: a box !!! abstract "..." with text'
    if "figure" in fence.options:
        name, cell = quoted.figure(fence)
        other = others.get(name, {}).get(page.language)
        if name not in quoted.names(fence) or other is None:
            yield 'the figure is one of the pages quoted: figure="theme/slug#cell"'
        elif cell not in [each.options.get("name") for each in other.cells]:
            yield f'{other.path.name} shows no cell "{cell}"'
        elif (ran := _ran(results, name, cell)) and not figures_of(ran):
            yield f'cell "{cell}" of {name} shows no figure'


def _ran(results: Mapping[str, Result], name: str, cell: str) -> CellResult | None:
    return results[name].cells.get(cell) if name in results else None
