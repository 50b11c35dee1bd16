"""Does a page keep its promises: cells, values, sources, sections, and its other language."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from qa import LANGUAGES, yaml_lines
from qa.check import code
from qa.failures import Failure
from qa.pages.corpus import Corpus
from qa.pages.fences import Fate
from qa.pages.page import INLINE_CODE, Page
from qa.pages.terms import Terms
from qa.run.inside.safe import SVG, WEBP
from qa.run.notebook import Notebook
from qa.run.store import Result, Scalar
from qa.words import WORDS
from qa.yaml_lines import nearest

HEADER = {
    "description?": str,
    "sources?": [str],
    # What MkDocs, Material and the search plugin read from it.
    "title?": str,
    "template?": str,
    "icon?": str,
    "status?": str,
    "subtitle?": str,
    "hide?": [str],
    "tags?": [str],
    "level?": str,
    "search?": {"boost?": object, "exclude?": True},
}
SAME = ("sources", "level", "tags")
"""Keys of the front matter that do not depend on the language."""
LEVELS = tuple(WORDS[LANGUAGES[0]].levels)
INCLUDE_LIKE = re.compile(r"(?<!\S);*-+8<-+(?!\S)")


def check_pairs_of_languages(pages: dict[str, dict[str, Page]], docs: Path) -> Iterator[Failure]:
    """`pages` maps a page's name to its languages: each page stands in each, with one structure."""
    for name, versions in pages.items():
        for language in LANGUAGES:
            if language not in versions:
                present = next(iter(versions.values()))
                missing = docs / language / f"{name}.md"
                reason = f"has no page in {language}: write {missing.relative_to(docs.parent)}"
                yield Failure(present.path, 1, reason, code="language-missing")
        if len(versions) == len(LANGUAGES) and all(page.lines for page in versions.values()):
            source, *others = (versions[language] for language in LANGUAGES)
            for other in others:
                yield from _check_same(source, other)


def _check_same(source: Page, other: Page) -> Iterator[Failure]:
    yield from _check_same_order(source, other)
    yield from _check_same_code(source, other)
    yield from _check_same_content(source, other)
    yield from _check_same_content(other, source)


def _check_same_order(source: Page, other: Page) -> Iterator[Failure]:
    """Sources, sections, cells and fences stand in both, in one order."""

    def parts(page: Page) -> dict[str, list[tuple[str, int]]]:
        return {
            **{key: [(_shown(page.meta.get(key, "")), page.meta_line(key))] for key in SAME},
            "section": [(f"{'#' * s.level} {s.anchor}", s.line) for s in page.sections],
            "cell": [(f.options.get("name", ""), f.line) for f in page.cells],
            "fence": [(f.language, f.line) for f in page.fences],
        }

    ours, theirs = parts(source), parts(other)
    for what in ours:
        rows = zip_longest(ours[what], theirs[what], fillvalue=("nothing", 1))
        for (our, _), (their, line) in rows:
            if our != their:
                reason = f'{what} "{their}" where {source.language} has "{our}"'
                yield Failure(other.path, line, reason, code="language-parity")
                break


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _check_same_code(source: Page, other: Page) -> Iterator[Failure]:
    """Comments are translated, code is not; of a diagram only the kind must agree."""
    for ours, theirs in zip(source.fences, other.fences, strict=False):
        if ours.language != theirs.language:
            return  # The order differs, which is another fault.
        what = "diagram" if ours.language == "mermaid" else "code"
        pairs = zip_longest(code.essence(ours), code.essence(theirs))
        for our, their in pairs:
            if (our and our[0]) != (their and their[0]):
                text, line = their or ("nothing", theirs.end)
                shown = our[0].strip() if our else "nothing"
                reason = f'{what} "{text.strip()}" where {source.language} has "{shown}"'
                yield Failure(other.path, line, reason, code="language-parity")
                break


def _check_same_content(page: Page, lacks: Page) -> Iterator[Failure]:
    """Values and links may stand in another order, but none is missing."""
    for what, here, there in (
        ("value", _lines_of_values(page), _lines_of_values(lacks)),
        ("link", _lines_of_links(page), _lines_of_links(lacks)),
    ):
        for name in here.keys() - there.keys():
            reason = f'{what} "{name}" is not on the page in {lacks.language}'
            yield Failure(page.path, here[name], reason, code="language-parity")


def _lines_of_values(page: Page) -> dict[str, int]:
    return {value.name: value.line for value in page.values}


def _lines_of_links(page: Page) -> dict[str, int]:
    return {link.target: link.line for link in page.markup.links}


def check_header(page: Page, terms: Terms) -> Iterator[Failure]:
    faults = list(yaml_lines.check(page.path, page.meta, HEADER, "the front matter"))
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

    `kinds` names the types of the variables there that are no scalars.
    """
    kinds = kinds or {}
    for value in page.values:
        name = value.name
        if name in values:
            try:
                format(values[name], value.format)
            except (ValueError, TypeError) as error:
                kind = type(values[name]).__name__
                reason = f'value "{name}" ({kind}) cannot be written as "{value.format}": {error}'
                yield Failure(page.path, value.line, reason, code="value-format")
        elif name in kinds:
            article = "an" if kinds[name][0].lower() in "aeiou" else "a"
            reason = (
                f'value "{name}" is {article} {kinds[name]}, not a scalar: '
                "name one of its numbers in the notebook"
            )
            yield Failure(page.path, value.line, reason, code="value-no-scalar")
        else:
            reason = f'no value "{name}": it is no final scalar variable of {origin}'
            yield Failure(page.path, value.line, reason, code="value-unknown")
