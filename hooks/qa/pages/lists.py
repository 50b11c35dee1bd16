"""Lists that the build makes: questions with their answers, terms, and code that nothing checks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qa import LANGUAGES
from qa.pages.account import Waiver
from qa.pages.corpus import Corpus
from qa.pages.inert import inert_html, inert_text
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.pages.wayfinding import link_to
from qa.run.store import Result
from qa.words import WORDS

DOWNLOADS_FOLDER = "downloads"
"""Where the site keeps what readers take along."""


def _head(names: Sequence[str]) -> list[str]:
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]


def _link(name: str, page: Page, titles: Mapping[str, str]) -> str:
    """In a cell of a table; a title is Markdown."""
    return f"[{titles[name].replace('|', '&#124;')}]({link_to(name, page)})"


def questions(page: Page, document: str, corpus: Corpus, titles: Mapping[str, str]) -> list[str]:
    """Of one document, or of all if it is empty; `titles` are those of the pages by name."""
    words = WORDS[page.language]
    out = _head(words.questions_head)
    documents = [corpus.documents[document]] if document else corpus.documents.values()
    for question in (question for each in documents for question in each.questions):
        answers = corpus.answers[question.id]
        links = "<br>".join(_link(name, page, titles) for name in answers)
        out.append(
            f"| {inert_text(question.id)} | {inert_text(question.text[page.language])} | "
            f"{links or f'*{words.open_question}*'} |"
        )
    return out


def runs(page: Page, results: Mapping[str, Result], titles: Mapping[str, str]) -> list[str]:
    """Every example: when and where it ran, with what, how long, and in how much memory."""
    out = _head(WORDS[page.language].runs_head)
    for name, result in results.items():
        libraries = ", ".join(f"{n} {version}" for n, version in result.distributions.items())
        cells = [
            _link(name, page, titles),
            result.started[:16].replace("T", " "),
            inert_text(f"{result.processor}, {result.system}"),
            inert_text(result.python),
            inert_text(libraries),
            f"{result.processor_seconds:.1f}",
            f"{result.peak_memory_bytes / 2**20:.0f}",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def downloads_by_kind(files: Iterable[Path]) -> dict[str, Path]:
    """Those that are offered, and no other file that lies beside them."""
    # Of `large-model-qa-zh.epub` the kind is `zh.epub`.
    found = {file.name.rpartition("-")[2]: file for file in files}
    return {kind: found[kind] for kind in WORDS[LANGUAGES[0]].downloads if kind in found}


def downloads(page: Page, files: Iterable[Path], to_root: str) -> list[str]:
    words = WORDS[page.language]
    out = _head(words.downloads_head)
    by_kind = downloads_by_kind(files)
    for kind, what in words.downloads.items():
        if file := by_kind.get(kind):
            size = f"{file.stat().st_size / 1e6:.1f} MB"
            link = f'<a href="{to_root}{DOWNLOADS_FOLDER}/{file.name}" download>{file.name}</a>'
            out.append(f"| {what} | {link} | {size} |")
    return out if len(out) > 2 else [words.no_downloads]


def terms(page: Page, all_terms: Terms) -> list[str]:
    out = ['<dl class="qa-terms">']
    for identifier, term in all_terms.by_id.items():
        names = [inert_html(html.escape(term.name[page.language]))]
        names += [
            f'<span lang="{language}">{inert_html(html.escape(name))}</span>'
            for language, name in term.name.items()
            if language != page.language
        ]
        out.append(f'<dt id="{identifier}">{" · ".join(names)}</dt>')
        out.append(f"<dd>{inert_html(html.escape(term.definition[page.language]))}</dd>")
    return [*out, "</dl>", ""]


def waivers(page: Page, waived: Iterable[Waiver], root: Path) -> list[str]:
    """Places are files below `root` with their lines."""
    out = _head(WORDS[page.language].waivers_head)
    for waiver in sorted(waived):
        place = f"{waiver.path.relative_to(root)}:{waiver.line}"
        out.append(f"| `{place}` | {inert_text(waiver.language)} | {inert_text(waiver.reason)} |")
    return out
