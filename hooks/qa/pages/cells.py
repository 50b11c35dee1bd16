"""Cells of a notebook on a page: what they put out, what to see in it, and their code, folded."""

from __future__ import annotations

import html
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qa.files import lines_of
from qa.pages import credits
from qa.pages.fences import Fence, block, folded
from qa.pages.figures import figure_html
from qa.pages.inert import inert_html
from qa.pages.page import Page
from qa.pages.sweeps import sweep_of
from qa.run.exploring import Proof
from qa.run.inside.safe import HTML, SVG, WEBP
from qa.run.notebook import Notebook
from qa.run.store import CellResult, Result
from qa.words import WORDS, Words


def runs_folder(name: str) -> str:
    """Where the site keeps a notebook's figures and downloads, from the site's root."""
    return f"runs/{name}"


def download(name: str, kind: str) -> str:
    """Where it keeps the executed notebook, or with its files as a zip."""
    return f"{runs_folder(name)}/{posixpath.basename(name)}.{kind}"


@dataclass(frozen=True)
class Cells:
    """Those of one page. `to_root` is the relative address of the site's root; `ways_back` lead
    from a cell to the places that cite it, as Markdown by the cell's name."""

    page: Page
    notebook: Notebook
    result: Result
    proof: Proof
    to_root: str
    ways_back: Mapping[str, str]

    @property
    def words(self) -> Words:
        return WORDS[self.page.language]

    def lines(self, fence: Fence, caption: str, alt: str) -> list[str]:
        """`caption` is Markdown, and `alt` says the same without links."""
        name = fence.options["name"]
        cell, ran = self.notebook.cell(name), self.result.cells[name]
        assert cell is not None
        shown = [] if "remove-output" in cell.tags else self._outputs(name, ran, alt)
        if cell.flips:
            shown = sweep_of(cell, self.result, self.page.labels).lines(shown)
        way = f'<a class="headerlink" href="#cell-{name}" title="{self.words.permalink}">¶</a>'
        back = self.ways_back.get(name)
        return [
            f'<div class="qa-cell" id="cell-{name}" markdown="1">',
            "",
            *shown,
            '<p class="qa-caption" markdown="span">',
            f"{caption}{way}",
            "</p>",
            "",
            *folded(fence, block("``` python", lines_of(cell.source)), self.words),
            "",
            *([f'<p class="qa-back" markdown="span">{back}</p>', ""] if back else []),
            "</div>",
        ]

    def _outputs(self, name: str, ran: CellResult, alt: str) -> list[str]:
        folder = self.to_root + runs_folder(self.notebook.name)
        out: list[str] = []
        figures = 0
        for output in ran.outputs:
            data = output.get("data", {})
            if SVG in data or WEBP in data:
                figures += 1
                out += [figure_html(name, figures, data, folder, alt, self.page.language), ""]
            elif HTML in data:
                table = inert_html(self.page.labels.put(data)[HTML])
                out += [f'<div class="qa-table">{table}</div>', ""]
            else:
                text = inert_html(html.escape(output_text(output)))
                code = f"<pre><code>{text}</code></pre>"
                out += [f'<div class="no-copy qa-output highlight">{code}</div>', ""]
        return out

    def how_it_ran(self) -> list[str]:
        words, result = self.words, self.result
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
        kinds = {"ipynb": words.notebook}
        if self.notebook.files:
            kinds["zip"] = words.notebook_and_files
        links = " · ".join(
            f'<a href="{self.to_root}{download(self.notebook.name, kind)}" download>{what}</a>'
            for kind, what in kinds.items()
        )
        return [
            "",
            f'<aside class="qa-run" aria-label="{words.how_it_ran}">',
            f"<p>{inert_html(html.escape(text))}</p>",
            f"<p>{self._proven()}</p>",
            *(
                f"<p>{credits.line(each, self.page.language)}</p>"
                for each in credits.of(self.notebook)
            ),
            f"<p>{links}</p>",
            "</aside>",
            "",
        ]

    def _proven(self) -> str:
        """What is known of the asserts, in a sentence or two."""
        words, proof = self.words, self.proof
        text = words.planted if proof.planted else words.not_planted
        if proof.written:
            text += words.written
        return text.format(planted=proof.planted, caught=proof.caught, written=proof.written)


def output_text(output: dict[str, Any]) -> str:
    """Of an output that is neither a figure nor a table."""
    if output["output_type"] == "stream":
        return str(output["text"]).strip("\n")
    if output["output_type"] == "error":
        return f"{output['ename']}: {output['evalue']}"
    return str(output["data"]["text/plain"])
