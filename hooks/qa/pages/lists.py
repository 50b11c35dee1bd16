"""Lists that the build makes: questions with their answers, terms, and code that nothing checks."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from qa import LANGUAGES
from qa.pages import credits
from qa.pages.account import Waiver
from qa.pages.corpus import Corpus, Question, theme_of
from qa.pages.inert import inert_html, inert_text
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.pages.wayfinding import link_to
from qa.run.exploring import Proof
from qa.run.notebook import Notebook
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
        answers = [_link(name, page, titles) for name in corpus.answers_to(question)]
        if not corpus.is_answered(question):
            answers.append(f"*{_state(corpus, question, page.language)}*")
        text = question.text[page.language]
        if question.repeats:
            text += words.repeats.format(id=question.repeats)
        cells = inert_text(question.id), inert_text(text), "<br>".join(answers)
        out.append(f"| {' | '.join(cells)} |")
    return out


def questions_of_theme(
    page: Page, theme: str, corpus: Corpus, titles: Mapping[str, str]
) -> list[str]:
    """Each question once, in the order of the pages that answer them, open ones last. What readers
    filter by and search for stands in attributes."""
    order = {name: number for number, name in enumerate(titles)}

    def place(asked: list[Question]) -> tuple[bool, list[int]]:
        answers = corpus.answers_to(asked[0])
        return not corpus.is_answered(asked[0]), [order[name] for name in answers]

    found = [asked for asked in corpus.distinct if corpus.theme_of(asked[0]) == theme]
    items = [_item(page, asked, corpus, titles) for asked in sorted(found, key=place)]
    return [f'<ul class="qa-bank" data-theme="{theme}" markdown="1">', *items, "</ul>", ""]


def _item(page: Page, asked: list[Question], corpus: Corpus, titles: Mapping[str, str]) -> str:
    """`asked` are a question and those that repeat it."""
    first, *_ = asked
    answers, ids = corpus.answers_to(first), [question.id for question in asked]
    themes = dict.fromkeys([corpus.theme_of(first), *map(theme_of, answers)])
    state = "" if corpus.is_answered(first) else _state(corpus, first, page.language)
    of = f'data-themes="{" ".join(themes)}" data-documents="{" ".join(_documents(corpus, ids))}"'
    # Answered ones are found on the pages that answer them.
    found = f'data-entry="{state}"' if state else "data-search-exclude"
    links = [_link(name, page, titles) for name in answers] + ([f"*{state}*"] if state else [])
    return (
        f'<li {of}{" data-open" if state else ""} markdown="span">'
        f'<span id="{inert_html(html.escape(first.id.lower()))}" {found}>'
        f"{inert_text(first.text[page.language])}</span>"
        f'<span class="qa-bank__answers" data-search-exclude>{" · ".join(links)}</span>'
        f"<small data-search-exclude>{inert_text(WORDS[page.language].separator.join(ids))}</small>"
        "</li>"
    )


def _documents(corpus: Corpus, ids: Iterable[str]) -> list[str]:
    asked = set(ids)
    return [
        name
        for name, document in corpus.documents.items()
        if any(question.id in asked for question in document.questions)
    ]


def _state(corpus: Corpus, question: Question, language: str) -> str:
    """Of one that is not answered, or not all of it."""
    words = WORDS[language]
    return words.partly_answered if corpus.answers_to(question) else words.open_question


def runs(
    page: Page,
    results: Mapping[str, Result],
    proofs: Mapping[str, Proof],
    titles: Mapping[str, str],
) -> list[str]:
    """Every example: when and where it ran, with what, how long, and in how much memory; and how
    many faults it finds in itself."""
    words = WORDS[page.language]
    out = _head(words.runs_head)
    for name, result in results.items():
        proof = proofs[name]
        libraries = ", ".join(f"{n} {version}" for n, version in result.distributions.items())
        cells = [
            _link(name, page, titles),
            f"{proof.caught} / {proof.planted}" if proof.planted else words.not_measured,
            str(proof.written),
            result.started[:16].replace("T", " "),
            inert_text(f"{result.processor}, {result.system}"),
            inert_text(result.python),
            inert_text(libraries),
            f"{result.processor_seconds:.1f}",
            f"{result.peak_memory_bytes / 2**20:.0f}",
        ]
        out.append(f"| {' | '.join(cells)} |")
    return out


def credited(page: Page, notebooks: Mapping[str, Notebook], titles: Mapping[str, str]) -> list[str]:
    """The models and engines that some notebook uses, with the pages that do."""
    words, out = WORDS[page.language], []
    for credit in credits.CREDITS.values():
        users = [name for name, book in notebooks.items() if credit in credits.of(book)]
        links = words.separator.join(_link(name, page, titles) for name in users)
        if users:
            out.append(f"- {credits.line(credit, page.language)}{words.used_on}{links}")
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
    """By their English names, with links to the first of each letter."""
    listed = sorted(all_terms.by_id.items(), key=lambda item: item[1].name["en"].lower())
    letters: dict[str, str] = {}
    for identifier, _ in listed:
        letters.setdefault(identifier[0].upper(), identifier)
    links = " ".join(f'<a href="#{first}">{letter}</a>' for letter, first in letters.items())
    out = [f'<nav class="qa-letters" aria-label="A–Z">{links}</nav>', "", '<dl class="qa-terms">']
    for identifier, term in listed:
        names = [inert_html(html.escape(term.name[page.language]))]
        names += [
            f'<span lang="{language}">{inert_html(html.escape(name))}</span>'
            for language, name in term.name.items()
            if language != page.language
        ]
        out.append(f'<dt id="{identifier}" data-entry="">{" · ".join(names)}</dt>')
        out.append(f"<dd>{inert_html(html.escape(term.definition[page.language]))}</dd>")
    return [*out, "</dl>", ""]


def waivers(page: Page, waived: Iterable[Waiver], root: Path) -> list[str]:
    """Places are files below `root` with their lines."""
    out = _head(WORDS[page.language].waivers_head)
    for waiver in sorted(waived):
        place = f"{waiver.path.relative_to(root)}:{waiver.line}"
        out.append(f"| `{place}` | {inert_text(waiver.language)} | {inert_text(waiver.reason)} |")
    return out
