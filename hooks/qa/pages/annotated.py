"""An executed notebook with what its page says of its cells: headings and captions, as Markdown."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from qa.pages.page import Page
from qa.pages.render import with_values
from qa.run.notebook import Cell, Notebook
from qa.run.store import Result, Scalar


def annotated(
    notebook: Notebook, pages: Iterable[Page], result: Result, facts: Mapping[str, Scalar]
) -> Notebook:
    """`pages` are those of the notebook, one a language: what they say stands side by side. They
    may name `facts` too."""
    said = [dict(_said(page, {**result.values, **facts})) for page in pages]
    cells: list[Cell] = []
    last = ""
    for cell in notebook.cells:
        notes = [each[cell.name] for each in said if cell.name in each]
        heading = " · ".join(dict.fromkeys(title for title, _ in notes))
        if heading and heading != last:
            cells.append(_prose(f"## {heading}"))
            last = heading
        cells.append(cell)
        if notes:
            cells.append(_prose("\n\n".join(caption for _, caption in notes)))
    return replace(notebook, cells=(*cells, _prose(_versions(result))))


def _prose(text: str) -> Cell:
    return Cell("markdown", text, 1)


def _said(page: Page, values: dict[str, Scalar]) -> Iterator[tuple[str, tuple[str, str]]]:
    """For each cell on the page the heading it stands under, and its caption."""
    lines = with_values(page, values)
    for fence in page.cells:
        above = [section.title for section in page.sections if section.line < fence.line]
        caption = " ".join(lines[fence.line - page.first + 1 : fence.end - page.first])
        yield fence.options["name"], (above[-1], html.unescape(caption).strip())


def requirements(results: Iterable[Result]) -> list[str]:
    """What all of them ran with, one line a distribution, as pip reads it."""
    found = {
        name: version.partition("+")[0]  # which build of it, no index says
        for result in results
        for name, version in result.distributions.items()
    }
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _versions(result: Result) -> str:
    needs = " ".join(requirements([result]))
    return f"Python {result.python}" + (f": `pip install {needs}`" if needs else "")
