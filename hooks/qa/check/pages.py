"""Does a page keep its promises: its header, the headers of its fences, cells and values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from qa import LANGUAGES, forms
from qa.failures import Failure
from qa.files import word_fault
from qa.forms import nearest
from qa.pages.corpus import Corpus
from qa.pages.fences import Fate
from qa.pages.page import FORMS, INLINE_CODE, VALUE, Page
from qa.pages.terms import Terms
from qa.run.inside import scalars
from qa.run.inside.safe import SVG, WEBP
from qa.run.notebook import Notebook
from qa.run.store import Result, Scalar
from qa.words import WORDS

HEADER = {
    "description?": str,
    "sources?": [str],
    # What MkDocs, Material and the search plugin read from it.
    "title?": str,
    "icon?": str,
    "status?": str,
    "subtitle?": str,
    "hide?": [str],
    "tags?": [str],
    "level?": str,
    "labels?": FORMS["labels"],
    # What readers type who mean this page, and no term of it.
    "aliases?": [str],
    # Why the page is longer than its readers would like, by what is long.
    "over?": {"lead?": str, "han?": str, "code?": str},
    "search?": {"boost?": object, "exclude?": True},
}
LEVELS = tuple(WORDS[LANGUAGES[0]].levels)
LONG_NUMBER = re.compile(r"\d{3}")
LONGEST = 60
"""Characters of a number on a page."""
WHY_NOT = {
    scalars.NO_NUMBER: "is no finite number (NaN or infinity): find out why in the notebook",
    scalars.LONG_TEXT: f"is a text of more than {scalars.LONGEST_TEXT} characters: show a cell",
    scalars.HUGE_NUMBER: "is larger than 10^300: name its logarithm in the notebook",
}
NO_HEAD = re.compile(r"[<>\"\x00-\x1f\x7f]|&(?=#|\w+;)")
INCLUDE_LIKE = re.compile(r"(?<!\S);*-+8<-+(?!\S)")


def check_header(page: Page, terms: Terms) -> Iterator[Failure]:
    for key, value in page.meta.items():
        if key in ("labels", "aliases"):
            continue  # no theme sees them
        # Themes put it into attributes and elements of the page's head as it is.
        text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
        if found := NO_HEAD.search(text):
            reason = f"{key}: {found[0]!r} may not stand in the front matter"
            yield Failure(page.path, page.meta_line(key), reason, code="header-character")
        if "{{" in text or "}}" in text:
            reason = f"{key}: the front matter holds no values: write them below it"
            yield Failure(page.path, page.meta_line(key), reason, code="value-in-header")
    title = next((section for section in page.sections if section.level == 1), None)
    if title and VALUE.search(title.title):
        reason = "a title holds no values: lists and links name the page by it"
        yield Failure(page.path, title.line, reason, code="value-in-title")
    if title is None:
        reason = "has no title: write one as # Title, below the front matter"
        yield Failure(page.path, page.first, reason, code="page-without-title")
    faults = list(forms.check(page.path, page.meta, HEADER, "the front matter"))
    if faults:
        yield from faults
        return
    if (level := page.meta.get("level", LEVELS[0])) not in LEVELS:
        reason = f'no level "{level}": it is one of {", ".join(LEVELS)}'
        yield Failure(page.path, page.meta_line("level"), reason, code="front-matter-value")
    for name, identifier in zip(page.meta.get("tags", ()), page.tags, strict=True):
        if identifier not in terms.by_id:
            known = [term.name["en"] for term in terms.by_id.values()]
            reason = f'tag "{name}" is no term of {terms.path.name}{nearest(name, known)}'
            yield Failure(page.path, page.meta_line("tags"), reason, code="term-unknown")
    if page.sources and "description" not in page.meta:
        reason = "has sources and no description, which search engines and link previews show"
        yield Failure(page.path, page.meta_line("sources"), reason, code="description-missing")


def check_fences(page: Page, corpus: Corpus) -> Iterator[Failure]:
    """Headers of fences, and how they include files; `qa.check.accounts` checks the code itself."""
    asked = corpus.questions.values()
    for fence in page.fences:
        known = fence.known_options
        for option in fence.options.keys() - set(known):
            takes = f"it takes {', '.join(known)}" if known else "it takes none"
            reason = f'fence "{fence.language}" has no option "{option}"; {takes}'
            yield Failure(page.path, fence.line, reason, code="fence-option")
        document = fence.options.get("document", "")
        known_document = not document or document in (corpus.documents or [document])
        if fence.language == "questions" and not known_document:
            reason = f'no document "{document}" in {corpus.path.name}'
            yield Failure(page.path, fence.line, reason, code="document-unknown")
        theme, themes = fence.options.get("theme", ""), {*map(corpus.theme_of, asked)}
        if fence.language == "questions" and theme and theme not in themes:
            reason = f'no question of the theme "{theme}"{nearest(theme, themes)}'
            yield Failure(page.path, fence.line, reason, code="theme-unknown")


def check_anchors(page: Page) -> Iterator[Failure]:
    for section in page.sections:
        if fault := section.anchor and word_fault(section.anchor):
            yield Failure(page.path, section.line, f"anchor: {fault}", code="name")


def check_includes(page: Page) -> Iterator[Failure]:
    """A fence in which nothing else stands includes files; whatever else looks as if it did."""
    fences = [fence for fence in page.fences if fence.fate is Fate.INCLUDED]
    shown = {number for fence in fences for number in range(fence.line, fence.end)}
    for number, line in enumerate(page.lines, page.first):
        if number not in shown and INCLUDE_LIKE.search(INLINE_CODE.sub("", line)):
            reason = "includes nothing: a fence does in which nothing else stands"
            yield Failure(page.path, number, reason, code="include-form")


def check_cells(page: Page, notebook: Notebook, result: Result | None) -> Iterator[Failure]:
    """Names of cells, each once, with a caption; a caption is also a figure's alternative text."""
    known = [cell.name for cell in notebook.code]
    seen: set[str] = set()
    for fence in page.cells:
        name = fence.options.get("name", "")
        if name not in known:
            reason = f'no cell "{name}" in {notebook.path.name}; it has: {", ".join(known)}'
            yield Failure(page.path, fence.line, reason, code="cell-unknown")
        elif name in seen:
            yield Failure(
                page.path, fence.line, f'cell "{name}" stands twice on this page', code="cell-twice"
            )
        elif not fence.text.strip():
            outputs = result.cells[name].outputs if result else []
            figure = any({SVG, WEBP} & set(output.get("data", {})) for output in outputs)
            what = "its figure has no alternative text" if figure else "it has no caption"
            yield Failure(
                page.path,
                fence.line,
                f'cell "{name}": {what}; write one in the fence',
                code="caption-missing",
            )
        seen.add(name)
    if not page.cells:
        yield Failure(
            page.path, page.first, f"shows no cell of {notebook.path.name}", code="cell-none"
        )


def check_values(
    page: Page,
    values: Mapping[str, Scalar],
    origin: str,
    kinds: Mapping[str, str] | None = None,
) -> Iterator[Failure]:
    """Each `{{ name:format }}` names a value that can be written so; `origin` says whose.

    `kinds` says what the variables there are that are no scalars.
    """
    for value in page.values:
        if value.name in values:
            fault = _fault_of_format(values[value.name], value.format), "value-format"
        elif kinds and value.name in kinds:
            fault = _not_shown(kinds[value.name]), "value-no-scalar"
        elif value.fact:
            known = [name.partition("facts.")[2] for name in values]
            fault = f"is no fact{nearest(value.fact, known)}", "fact-unknown"
        else:
            fault = f"is no final scalar variable of {origin}", "value-unknown"
        if fault[0]:
            yield Failure(page.path, value.line, f'value "{value.name}" {fault[0]}', code=fault[1])


def _not_shown(kind: str) -> str:
    article = "an" if kind[0].lower() in "aeiou" else "a"
    otherwise = f"is {article} {kind}, not a scalar: name one of its numbers in the notebook"
    return WHY_NOT.get(kind, otherwise)


def _fault_of_format(value: Scalar, form: str) -> str | None:
    if LONG_NUMBER.search(form):
        return f'cannot be written as "{form}": no width or precision has three digits'
    try:
        text = format(value, form)
    except (ValueError, TypeError, OverflowError) as error:
        return f'({type(value).__name__}) cannot be written as "{form}": {error}'
    if len(text) > LONGEST and not isinstance(value, str):
        return f'takes {len(text)} characters as "{form}": give it a format such as .3g'
    return None
