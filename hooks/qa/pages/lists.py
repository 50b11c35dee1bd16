"""Lists that the build makes: questions with their answers, terms, and code that nothing checks."""

from __future__ import annotations

import html
import posixpath
from collections.abc import Iterable, Mapping
from pathlib import Path

from qa.accounts import Waiver
from qa.pages.corpus import Corpus
from qa.pages.page import Page
from qa.pages.terms import Terms

OPEN = {"zh": "尚未回答", "en": "not answered yet"}
HEADS = {
    "zh": {"questions": "编号 问题 回答", "waivers": "位置 语言 理由"},
    "en": {"questions": "No. Question Answer", "waivers": "Place Language Reason"},
}


def _head(page: Page, what: str) -> list[str]:
    names = HEADS[page.language][what].split()
    return [f"| {' | '.join(names)} |", f"|{' --- |' * len(names)}"]


def questions(page: Page, document: str, corpus: Corpus, titles: Mapping[str, str]) -> list[str]:
    """`titles` are those of all pages in this language, by name."""
    here = posixpath.dirname(page.name)

    def link(name: str) -> str:
        return posixpath.relpath(f"{name}.md", here or ".")

    out = _head(page, "questions")
    for question in corpus.documents[document].questions:
        answers = corpus.answers[question.id]
        links = "<br>".join(f"[{titles[name]}]({link(name)})" for name in answers)
        out.append(
            f"| {question.id} | {question.text[page.language]} | "
            f"{links or f'*{OPEN[page.language]}*'} |"
        )
    return out


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
