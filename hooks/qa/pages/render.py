"""Markdown in, Markdown out: cells, values and lists of questions take their place on a page."""

from __future__ import annotations

import html
import posixpath
import re
from typing import Any

from qa.examples.notebook import Notebook
from qa.examples.outputs import HTML, SVG, WEBP
from qa.examples.store import CellResult, Result, Scalar
from qa.pages.corpus import Corpus
from qa.pages.figures import figure_html
from qa.pages.page import Fence, Page
from qa.pages.terms import Terms

OWN_OPTION = re.compile(r' +(?:raises|schema|reason)="[^"]*"')
"""Options of blocks of code that are for the checks; the highlighter would refuse the block."""

WORDS = {
    "zh": {
        "code": "代码",
        "open": "尚未回答",
        "run": "运行于 {when}(UTC)· Python {python} · {system} · {processor} · {versions} · "
        "用时 {seconds:.1f} 秒 · 内存峰值 {memory:.0f} MiB",
        "ipynb": "下载执行后的 Notebook",
        "zip": "下载 Notebook 及其文件",
        "separator": "、",
        "ran": "运行环境",
    },
    "en": {
        "code": "Code",
        "open": "not answered yet",
        "run": "Ran on {when} (UTC) · Python {python} · {system} · {processor} · {versions} · "
        "{seconds:.1f} s · peak memory {memory:.0f} MiB",
        "ipynb": "Download the executed notebook",
        "zip": "Download the notebook and its files",
        "separator": ", ",
        "ran": "How it ran",
    },
}


def runs_folder(name: str) -> str:
    """Where the site keeps a notebook's figures and downloads, from the site's root."""
    return f"runs/{name}"


def render(
    page: Page,
    values: dict[str, Scalar],
    notebook: Notebook | None,
    result: Result | None,
    corpus: Corpus,
    terms: Terms,
    titles: dict[str, str],
    to_root: str,
) -> str:
    """The page's Markdown with everything filled in.

    `values` are what `{{ }}` may name, `titles` the titles of all pages in this language, and
    `to_root` the relative address of the site's root. The page must have passed its checks.
    """
    lines = _with_values(page, values)
    at = {fence.line: fence for fence in page.fences}
    last = _last_cell_of_run(page)
    out: list[str] = []
    number = page.first
    while number < page.first + len(page.lines):
        fence = at.get(number)
        if fence is None:
            out.append(lines[number - page.first])
            number += 1
            continue
        body = lines[fence.line - page.first : fence.end - page.first + 1]
        number = fence.end + 1
        if fence.language == "cell" and notebook and result:
            caption = " ".join(line.strip() for line in body[1:-1]).strip()
            out += _cell(page, fence, caption, notebook, result, to_root)
            if fence is last:
                out += _run_line(page, notebook, result, to_root)
        elif fence.language == "questions":
            out += _questions(page, fence.options["document"], corpus, titles)
        elif fence.language == "terms":
            out += _terms(page, terms)
        else:
            out += [OWN_OPTION.sub("", body[0]), *body[1:]]
    return "\n".join(out) + "\n"


def _with_values(page: Page, values: dict[str, Scalar]) -> list[str]:
    lines = list(page.lines)
    for value in reversed(page.values):
        line = lines[value.line - page.first]
        text = format(values[value.name], value.format)
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
    code = ["``` python", *cell.source.splitlines(), "```"]
    if "hide-input" in cell.tags:
        title = f'??? example "{WORDS[page.language]["code"]}: {name}"'
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
            alt = caption.replace("`", "")
            image = figure_html(name, figures, data, folder, alt)
            out += ['<figure class="qa-figure">', image, "</figure>", ""]
        elif HTML in data:
            out += ['<div class="qa-table">', data[HTML], "</div>", ""]
        else:
            out += ["``` { .text .no-copy .qa-output }", *_text(output).splitlines(), "```", ""]
    return out


def _text(output: dict[str, Any]) -> str:
    if output["output_type"] == "stream":
        return str(output["text"]).strip("\n")
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return str(output["data"]["text/plain"])


def _run_line(page: Page, notebook: Notebook, result: Result, to_root: str) -> list[str]:
    words = WORDS[page.language]
    versions = words["separator"].join(f"{n} {v}" for n, v in result.distributions.items())
    text = words["run"].format(
        when=result.started[:16].replace("T", " "),
        python=result.python,
        system=result.system,
        processor=result.processor,
        versions=versions,
        seconds=result.seconds,
        memory=result.peak_memory_bytes / 2**20,
    )
    stem = posixpath.join(to_root + runs_folder(page.name), posixpath.basename(page.name))
    kinds = ["ipynb", "zip"] if notebook.files else ["ipynb"]
    links = " · ".join(f'<a href="{stem}.{kind}" download>{words[kind]}</a>' for kind in kinds)
    return [
        "",
        f'<aside class="qa-run" aria-label="{words["ran"]}">',
        f"<p>{html.escape(text)}</p>",
        f"<p>{links}</p>",
        "</aside>",
        "",
    ]


def _questions(page: Page, document: str, corpus: Corpus, titles: dict[str, str]) -> list[str]:
    here = posixpath.dirname(page.name)

    def link(name: str) -> str:
        return posixpath.relpath(f"{name}.md", here or ".")

    out = []
    for question in corpus.documents[document].questions:
        answers = corpus.answers[question.id]
        links = "<br>".join(f"[{titles[name]}]({link(name)})" for name in answers)
        out.append(
            f"| {question.id} | {question.text[page.language]} | "
            f"{links or '*' + WORDS[page.language]['open'] + '*'} |"
        )
    head = {"zh": "| 编号 | 问题 | 回答 |", "en": "| No. | Question | Answer |"}[page.language]
    return [head, "| --- | --- | --- |", *out]


def _terms(page: Page, terms: Terms) -> list[str]:
    out = ['<dl class="qa-terms">']
    for identifier, term in terms.by_id.items():
        names = [html.escape(term.name[page.language])]
        names += [
            f'<span lang="{language}">{html.escape(name)}</span>'
            for language, name in term.name.items()
            if language != page.language
        ]
        out.append(f'<dt id="{identifier}">{" · ".join(names)}</dt>')
        out.append(f"<dd>{html.escape(term.definition[page.language])}</dd>")
    return [*out, "</dl>", ""]
