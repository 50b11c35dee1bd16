"""Answers on the home page: the leads of other pages in full, as they stand there, and a figure of
a run."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping
from textwrap import dedent

from qa.pages.cells import runs_folder
from qa.pages.fences import Fence
from qa.pages.figures import figure_html, figures_of
from qa.pages.page import Page
from qa.pages.render import with_values
from qa.pages.wayfinding import link_to
from qa.run.store import Result, Scalar

BOX = re.compile(r"!!! +abstract\b")
LINK = re.compile(r"(?<=\]\()(?![a-z][a-z0-9+.-]*:)(?P<file>[^()\s#]*)(?P<anchor>#[^()\s]*)?(?=\))")
"""A relative address."""


def names(fence: Fence) -> list[str]:
    """The pages whose answers the fence asks for."""
    return [name.strip() for name in fence.options.get("pages", "").split(",")]


def figure(fence: Fence) -> tuple[str, str]:
    """A page and the cell of it whose figure the fence asks for, or two empty names."""
    page, _, cell = fence.options.get("figure", "").partition("#")
    return page, cell


def lead(page: Page) -> slice:
    """Which of the page's lines stand in its box `abstract`: none if it has none."""
    begin = next((n for n, line in enumerate(page.lines, 1) if BOX.match(line)), len(page.lines))
    rest = enumerate(page.lines[begin:], begin)
    return slice(begin, next((n for n, line in rest if line[:1].strip()), len(page.lines)))


def answers(
    page: Page,
    fence: Fence,
    others: Mapping[str, Page],
    results: Mapping[str, Result],
    values: Callable[[Page], dict[str, Scalar]],
    to_root: str,
) -> list[str]:
    """`others` are the pages of the language by name, `values` what each may name. While one page
    is served, the others have no results, and their answers are left out."""
    out = ['<div class="qa-answers" markdown="1">', ""]
    for name in names(fence):
        if name in results:
            other = with_values(others[name], values(others[name]))
            parts = [*_answer(page, others[name], other)]
            illustrated, cell = figure(fence)
            if name == illustrated:
                parts += _figure(others[name], other, cell, results[name], to_root)
            kind = "qa-answer qa-answer--wide" if name == illustrated else "qa-answer"
            out += [f'<div class="{kind}" markdown="1">', "", *parts, "", "</div>", ""]
    return [*out, "</div>", ""]


def _answer(page: Page, other: Page, lines: list[str]) -> Iterable[str]:
    def from_here(match: re.Match[str]) -> str:
        file = posixpath.join(posixpath.dirname(other.name), match["file"])
        target = file if match["file"] else f"{other.name}.md"
        here = posixpath.dirname(page.name) or "."
        return posixpath.relpath(target, here) + (match["anchor"] or "")

    text = dedent("\n".join(lines[lead(other)]))
    title = f"[{other.title}]({link_to(other.name, page)})"
    yield f'<p class="qa-answer__title" markdown="span">{title}</p>'
    yield ""
    yield from LINK.sub(from_here, text).strip("\n").split("\n")


def _figure(
    other: Page, lines: list[str], cell: str, result: Result, to_root: str
) -> Iterable[str]:
    fence = next(each for each in other.cells if each.options["name"] == cell)
    text = slice(fence.line - other.first + 1, fence.end - other.first)
    caption = " ".join(map(str.strip, lines[text]))
    data = figures_of(result.cells[cell])[0]
    folder = to_root + runs_folder(other.name)
    alt = html.unescape(caption.replace("`", ""))
    yield from ("", figure_html(cell, 1, data, folder, alt, other.language), "")
    yield from ('<p class="qa-caption" markdown="span">', caption, "</p>")
