"""Lists that the build makes: questions with their answers, terms, and code that nothing checks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from pathlib import Path

from qa import LANGUAGES
from qa.check.accounts import Waiver
from qa.pages.corpus import Corpus
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.pages.wayfinding import link_to
from qa.run.store import Result

OPEN = {"zh": "尚未回答", "en": "not answered yet"}
DOWNLOADS_FOLDER = "downloads"
"""Where the site keeps what readers take along."""
DOWNLOADS = {
    "zh": {
        "site.zip": "离线版网站，中英文",
        "zh.epub": "电子书，中文",
        "en.epub": "电子书，英文",
        "examples.zip": "执行后的示例",
    },
    "en": {
        "site.zip": "The site offline, both languages",
        "en.epub": "E-book, English",
        "zh.epub": "E-book, Chinese",
        "examples.zip": "The executed examples",
    },
}
NO_DOWNLOADS = {
    "zh": "这一份网站没有附带下载文件；`make offline` 会生成它们。",
    "en": "This copy of the site comes without them; `make offline` makes them.",
}
HEADS = {
    "zh": {
        "downloads": "内容|文件|大小",
        "questions": "编号|问题|回答",
        "waivers": "位置|语言|理由",
        "runs": "示例|运行于 (UTC)|处理器|Python|库|处理器用时 (s)|内存 (MiB)",
    },
    "en": {
        "downloads": "What|File|Size",
        "questions": "No.|Question|Answer",
        "waivers": "Place|Language|Reason",
        "runs": "Example|Ran on (UTC)|Processor|Python|Libraries|Processor time (s)|Memory (MiB)",
    },
}


def _head(page: Page, what: str) -> list[str]:
    names = HEADS[page.language][what].split("|")
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]


def questions(page: Page, document: str, corpus: Corpus, titles: Mapping[str, str]) -> list[str]:
    """Of one document, or of all if it is empty; `titles` are those of the pages by name."""
    out = _head(page, "questions")
    documents = [corpus.documents[document]] if document else corpus.documents.values()
    for question in (question for each in documents for question in each.questions):
        answers = corpus.answers[question.id]
        links = "<br>".join(f"[{titles[name]}]({link_to(name, page)})" for name in answers)
        out.append(
            f"| {question.id} | {question.text[page.language]} | "
            f"{links or f'*{OPEN[page.language]}*'} |"
        )
    return out


def runs(page: Page, results: Mapping[str, Result], titles: Mapping[str, str]) -> list[str]:
    """Every example: when and where it ran, with what, how long, and in how much memory."""
    out = _head(page, "runs")
    for name, result in results.items():
        libraries = ", ".join(f"{n} {version}" for n, version in result.distributions.items())
        cells = [
            f"[{titles[name]}]({link_to(name, page)})",
            result.started[:16].replace("T", " "),
            f"{result.processor}, {result.system}",
            result.python,
            libraries,
            f"{result.processor_seconds:.1f}",
            f"{result.peak_memory_bytes / 2**20:.0f}",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def downloads_by_kind(files: Iterable[Path]) -> dict[str, Path]:
    """Those that are offered, and no other file that lies beside them."""
    # Of `large-model-qa-zh.epub` the kind is `zh.epub`.
    found = {file.name.rpartition("-")[2]: file for file in files}
    return {kind: found[kind] for kind in DOWNLOADS[LANGUAGES[0]] if kind in found}


def downloads(page: Page, files: Iterable[Path], to_root: str) -> list[str]:
    out = _head(page, "downloads")
    by_kind = downloads_by_kind(files)
    for kind, what in DOWNLOADS[page.language].items():
        if file := by_kind.get(kind):
            size = f"{file.stat().st_size / 1e6:.1f} MB"
            link = f'<a href="{to_root}{DOWNLOADS_FOLDER}/{file.name}" download>{file.name}</a>'
            out.append(f"| {what} | {link} | {size} |")
    return out if len(out) > 2 else [NO_DOWNLOADS[page.language]]


def terms(page: Page, all_terms: Terms) -> list[str]:
    out = ['<dl class="qa-terms">']
    for identifier, term in all_terms.by_id.items():
        names = [html.escape(term.name[page.language])]
        names += [
            f'<span lang="{language}">{html.escape(name)}</span>'
            for language, name in term.name.items()
            if language != page.language
        ]
        out.append(f'<dt id="{identifier}">{" · ".join(names)}</dt>')
        out.append(f"<dd>{html.escape(term.definition[page.language])}</dd>")
    return [*out, "</dl>", ""]


def waivers(page: Page, waived: Iterable[Waiver], root: Path) -> list[str]:
    """Places are files below `root` with their lines."""
    out = _head(page, "waivers")
    for waiver in sorted(waived):
        place = f"{waiver.path.relative_to(root)}:{waiver.line}"
        reason = html.escape(waiver.reason).replace("|", "&#124;")
        out.append(f"| `{place}` | {waiver.language} | {reason} |")
    return out
