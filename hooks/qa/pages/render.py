"""Markdown in, Markdown out: cells, values and lists of questions take their place on a page."""

from __future__ import annotations

import html
import posixpath
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from qa.files import lines_of
from qa.pages.fences import Fate, Fence, block, without_own_options
from qa.pages.figures import figure_html
from qa.pages.inert import inert_html, inert_text
from qa.pages.page import Page
from qa.run.inside.safe import HTML, SVG, WEBP
from qa.run.notebook import Notebook
from qa.run.store import CellResult, Result, Scalar
from qa.words import WORDS


def runs_folder(name: str) -> str:
    """Where the site keeps a notebook's figures and downloads, from the site's root."""
    return f"runs/{name}"


def render(
    page: Page,
    values: dict[str, Scalar],
    notebook: Notebook | None,
    result: Result | None,
    lists: Mapping[str, Callable[[Fence], list[str]]],
    included: Callable[[str, str], str],
    to_root: str,
    below_title: Iterable[str] = (),
) -> list[str]:
    """The lines of the page's Markdown with everything filled in.

    `values` are what `{{ }}` may name, `lists` make the lines of fences that list something (see
    qa.pages.lists), `included` returns the text of a file's section, and `to_root` is the relative
    address of the site's root. The page must have passed its checks.
    """
    lines = with_values(page, values)
    at = {fence.line: fence for fence in page.fences}
    last = _last_cell_of_run(page)
    title = next((section.line for section in page.sections if section.level == 1), None)
    out: list[str] = []
    number = page.first
    while number < page.first + len(page.lines):
        fence = at.get(number)
        if fence is None:
            out.append(lines[number - page.first])
            if number == title:
                out += below_title
            number += 1
            continue
        body = lines[fence.line - page.first : fence.end - page.first + 1]
        number = fence.end + 1
        if fence.fate is Fate.CELL and notebook and result:
            caption = " ".join(line.strip() for line in body[1:-1]).strip()
            out += _cell(page, fence, caption, notebook, result, to_root)
            if fence is last:
                out += _run_line(page, notebook, result, to_root)
        elif fence.fate is Fate.LIST:
            out += lists[fence.language](fence)
        elif fence.fate is Fate.INCLUDED:
            shown = lines_of(fence.with_includes(included))
            out += block(without_own_options(body[0]), shown)
        else:
            out += [without_own_options(body[0]), *body[1:]]
    return out


def with_values(page: Page, values: dict[str, Scalar]) -> list[str]:
    """The page's lines with all values filled in."""
    lines = list(page.lines)
    for value in reversed(page.values):
        line = lines[value.line - page.first]
        text = inert_text(format(values[value.name], value.format))
        lines[value.line - page.first] = line[: value.start] + text + line[value.end :]
    return lines


def _last_cell_of_run(page: Page) -> Fence | None:
    """The run is described once, below the last cell of its section."""
    begin = next((s.line for s in page.sections if s.anchor == "run"), 0)
    after = (s.line for s in page.sections if s.level == 2 and s.line > begin)
    end = next(after, page.first + len(page.lines))
    cells = [fence for fence in page.cells if begin < fence.line < end] or page.cells
    return cells[-1] if cells else None


def _cell(
    page: Page, fence: Fence, caption: str, notebook: Notebook, result: Result, to_root: str
) -> list[str]:
    name = fence.options["name"]
    cell, ran = notebook.cell(name), result.cells[name]
    assert cell is not None
    code = block("``` python", lines_of(cell.source))
    if "hide-input" in cell.tags:
        title = f'??? example "{WORDS[page.language].code}: {name}"'
        code = [title, "", *(f"    {line}" for line in code)]
    shown = [] if "remove-output" in cell.tags else _outputs(name, ran, caption, page, to_root)
    return [
        f'<div class="qa-cell" id="cell-{name}" markdown="1">',
        "",
        *code,
        "",
        *shown,
        '<p class="qa-caption" markdown="span">',
        caption,
        "</p>",
        "",
        "</div>",
    ]


def _outputs(name: str, ran: CellResult, caption: str, page: Page, to_root: str) -> list[str]:
    folder = to_root + runs_folder(page.name)
    out: list[str] = []
    figures = 0
    for output in ran.outputs:
        data = output.get("data", {})
        if SVG in data or WEBP in data:
            figures += 1
            alt = html.unescape(caption.replace("`", ""))
            image = figure_html(name, figures, data, folder, alt, page.language)
            out += ['<figure class="qa-figure">', image, "</figure>", ""]
        elif HTML in data:
            table = inert_html(page.labels.put(data)[HTML])
            out += [f'<div class="qa-table">{table}</div>', ""]
        else:
            text = inert_html(html.escape(output_text(output)))
            block = f"<pre><code>{text}</code></pre>"
            out += [f'<div class="no-copy qa-output highlight">{block}</div>', ""]
    return out


def output_text(output: dict[str, Any]) -> str:
    """Of an output that is neither a figure nor a table."""
    if output["output_type"] == "stream":
        return str(output["text"]).strip("\n")
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return str(output["data"]["text/plain"])


def _run_line(page: Page, notebook: Notebook, result: Result, to_root: str) -> list[str]:
    words = WORDS[page.language]
    versions = words.separator.join(f"{n} {v}" for n, v in result.distributions.items())
    text = words.run.format(
        when=result.started[:16].replace("T", " "),
        python=result.python,
        system=result.system,
        processor=result.processor,
        versions=versions,
        processor_seconds=result.processor_seconds,
        memory=result.peak_memory_bytes / 2**20,
    )
    stem = posixpath.join(to_root + runs_folder(page.name), posixpath.basename(page.name))
    kinds = {"ipynb": words.notebook}
    if notebook.files:
        kinds["zip"] = words.notebook_and_files
    links = " · ".join(
        f'<a href="{stem}.{kind}" download>{what}</a>' for kind, what in kinds.items()
    )
    return [
        "",
        f'<aside class="qa-run" aria-label="{words.how_it_ran}">',
        f"<p>{inert_html(html.escape(text))}</p>",
        f"<p>{links}</p>",
        "</aside>",
        "",
    ]
