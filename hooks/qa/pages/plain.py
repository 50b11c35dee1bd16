"""A page as plain Markdown, for programs that read: numbers, code and what it put out filled in,
figures by address, and none of the marks that only a site generator understands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from lxml import html
from lxml.etree import ParserError

from qa.files import lines_of
from qa.pages.cells import output_text, runs_folder
from qa.pages.content import Content
from qa.pages.fences import Fate, Fence, block, without_own_options
from qa.pages.figures import on_light
from qa.pages.page import HEADING, Page
from qa.pages.sweeps import sweep_of
from qa.run.inside.safe import HTML, SVG, WEBP
from qa.run.notebook import Notebook
from qa.run.store import CellResult, Result, Scalar

BOX = re.compile(r'^(?:!!!|\?\?\?\+?) +(?P<kind>\w+)[\w -]*?(?: +"(?P<title>[^"]*)")? *$')
ONLY_A_TAG = re.compile(r"^\s*(?:</?div\b[^<>]*>|<!--.*-->)\s*$")
INDENT = "    "


def plain(page: Page, content: Content) -> Iterator[str]:
    """The lines; see `qa.pages.render.render`. Links are those of the page's author, from file to
    file: what is made here lies as the pages do."""
    in_box = blank = False
    for line, shown in _replaced(page, content):
        if box := BOX.match(line):
            in_box, blank = True, False
            yield from ("", f"> **{box['title'] or box['kind'].title()}**")
            continue
        if not line.strip() or not shown:
            # Whether it stands in the box, the next line will tell.
            blank = True
            continue
        in_box = in_box and line.startswith(INDENT)
        if blank:
            yield ">" if in_box else ""
        blank = False
        yield from (f"> {each.removeprefix(INDENT)}".rstrip() if in_box else each for each in shown)


def _replaced(page: Page, content: Content) -> Iterator[tuple[str, list[str]]]:
    """Each line, or the first of a fence, with the lines that take its place."""
    lines, notebook, result = _filled_in(page, content.values), content.notebook, content.result
    fences = {fence.line: fence for fence in page.fences}
    number = page.first
    while number < page.first + len(lines):
        line, fence = lines[number - page.first], fences.get(number)
        number = fence.end + 1 if fence else number + 1
        if fence is None:
            yield line, list(_prose(line))
            continue
        body = lines[fence.line - page.first : fence.end - page.first + 1]
        if fence.fate is Fate.CELL and notebook and result:
            yield line, list(_cell(page, fence, body, notebook, result, content.to_root))
        elif fence.fate is Fate.LIST:
            yield line, content.lists[fence.language](fence)
        elif fence.fate is Fate.INCLUDED:
            code = lines_of(fence.with_includes(content.included))
            yield line, block(without_own_options(body[0]), code)
        else:
            yield line, [without_own_options(body[0]), *body[1:]]


def _filled_in(page: Page, values: Mapping[str, Scalar]) -> list[str]:
    lines = list(page.lines)
    for value in reversed(page.values):
        line = lines[value.line - page.first]
        text = format(values[value.name], value.format)
        lines[value.line - page.first] = line[: value.start] + text + line[value.end :]
    return lines


def _prose(line: str) -> Iterator[str]:
    if heading := HEADING.match(line):
        yield f"{heading['level']} {heading['title']}"
    elif not ONLY_A_TAG.match(line):
        yield line


def _cell(
    page: Page, fence: Fence, body: list[str], notebook: Notebook, result: Result, to_root: str
) -> Iterator[str]:
    name = fence.options["name"]
    caption = " ".join(line.strip() for line in body[1:-1]).strip()
    cell, ran = notebook.cell(name), result.cells[name]
    assert cell is not None
    yield from block("``` python", lines_of(cell.source))
    if cell.flips:
        yield from ("", sweep_of(cell, result, page.labels).where_it_flips())
    if "remove-output" not in cell.tags:
        yield from _outputs(page, name, ran, caption, to_root)
    yield from ("", caption)


def _outputs(page: Page, name: str, ran: CellResult, caption: str, to_root: str) -> Iterator[str]:
    folder = f"{to_root}{runs_folder(page.name)}"
    figures = 0
    for output in ran.outputs:
        data = output.get("data", {})
        yield ""
        if SVG in data or WEBP in data:
            figures += 1
            file = on_light(name, figures, data, page.language)
            yield f"![{caption}]({folder}/{file})"
        elif HTML in data:
            yield from table(page.labels.put(data)[HTML])
        else:
            yield from block("``` text", lines_of(output_text(output)))


def table(markup: str) -> list[str]:
    """A table of a run in Markdown; as it is where it has cells over several rows or columns."""
    try:
        found = html.fragment_fromstring(markup, create_parent="div")
    except ParserError:
        return [markup]
    rows = [
        [" ".join(cell.text_content().split()).replace("|", "\\|") for cell in row]
        for row in found.iter("tr")
    ]
    if not rows or found.xpath(".//*[@colspan or @rowspan]") or len(set(map(len, rows))) > 1:
        return [markup]
    head, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [head, f"|{' --- |' * len(rows[0])}", *others]
