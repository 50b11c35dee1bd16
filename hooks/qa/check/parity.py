"""Do the languages of a page say the same: structure, code, links, values and numbers."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import zip_longest
from pathlib import Path
from textwrap import shorten

from qa import LANGUAGES
from qa.check import code, numbers
from qa.check.blocks import Block, blocks
from qa.failures import Failure
from qa.pages.page import Page, Value

SAME = ("sources", "level", "tags")
BOTH = ("aliases",)
"""Keys of the front matter that do not depend on the language, and those that stand in all."""


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
    if [s.level for s in source.sections] == [s.level for s in other.sections]:
        yield from _check_same_blocks(source, other)


def _check_same_order(source: Page, other: Page) -> Iterator[Failure]:
    """Sources, sections, cells and fences stand in both, in one order."""

    def parts(page: Page) -> dict[str, list[tuple[str, int]]]:
        return {
            **{key: [(_shown(page.meta.get(key, "")), page.meta_line(key))] for key in SAME},
            **{k: [("some" if k in page.meta else "none", page.meta_line(k))] for k in BOTH},
            "section": [(f"{'#' * s.level} {s.anchor}", s.line) for s in page.sections],
            "cell": [(f.options.get("name", ""), f.line) for f in page.cells],
            "fence": [(f.language + " open" * ("open" in f.options), f.line) for f in page.fences],
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
    return {_written(value): value.line for value in page.values}


def _written(value: Value) -> str:
    return f"{value.name}:{value.format}" if value.format else value.name


def _lines_of_links(page: Page) -> dict[str, int]:
    return {link.target: link.line for link in page.markup.links}


def _check_same_blocks(source: Page, other: Page) -> Iterator[Failure]:
    """Each paragraph, item and row has its counterpart, and the same numbers stand in both."""
    ours, theirs = blocks(source), blocks(other)
    keys = [_key(block) for block in ours], [_key(block) for block in theirs]
    for _, a, b, c, d in SequenceMatcher(None, *keys, autojunk=False).get_opcodes():
        pairs = zip_longest(ours[a:b], theirs[c:d])
        for our, their in pairs:
            if our and their and our.kind == their.kind:
                yield from _check_same_numbers(source, our, other, their)
                continue
            for page, block, lacks in ((source, our, other), (other, their, source)):
                if block:
                    reason = f'{block.kind} "{_start(block)}" is missing in {lacks.language}'
                    yield Failure(page.path, block.line, reason, code="block-missing")


def _key(block: Block) -> tuple[str, frozenset[str]]:
    return block.kind, block.names


def _start(block: Block) -> str:
    return shorten(block.text.strip(" \n|-*"), 40, placeholder="…")


def _check_same_numbers(source: Page, our: Block, other: Page, their: Block) -> Iterator[Failure]:
    for page, block, lacks, there in ((source, our, other, their), (other, their, source, our)):
        for number in numbers.only_in(block.text, there.text):
            reason = f'"{number}" stands here, and not in {lacks.language} (line {there.line})'
            yield Failure(page.path, block.line, reason, code="number-differs")
