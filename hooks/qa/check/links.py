"""Do the links, images and references of a page lead anywhere."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from markdown.extensions.toc import slugify, unique

from qa import LANGUAGES
from qa.check import html
from qa.failures import Failure
from qa.forms import nearest
from qa.pages.markup import Link
from qa.pages.page import Page
from qa.pages.terms import Terms

ELSEWHERE = re.compile(r"[a-z][a-z0-9+.-]*:|//", re.IGNORECASE)
INLINE_LINK = re.compile(r"!?\[([^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")


def anchors(page: Page, terms: Terms) -> set[str]:
    """What `#` may name on this page once it is rendered."""
    ids = {section.anchor for section in page.sections if section.anchor} | page.markup.ids
    ids |= {f"cell-{fence.options.get('name', '')}" for fence in page.cells}
    if page.shows("terms"):
        ids |= terms.by_id.keys()
    for section in page.sections:
        if not section.anchor:
            # As the toc extension does: adds to `ids`, with a number if it must.
            unique(slugify(INLINE_LINK.sub(r"\1", section.title), "-"), ids)
    return ids


def check_links(
    page: Page, pages: Mapping[Path, Page], docs: Path, terms: Terms
) -> Iterator[Failure]:
    """`pages` are those of the site by their files below `docs`."""
    for image in page.markup.nameless:
        yield Failure(
            page.path,
            image.line,
            f'image "{image.target}" has no alternative text',
            code="alternative-text",
        )
    for line, name in page.markup.undefined:
        what = f'footnote "{name[1:]}"' if name.startswith("^") else f'reference "{name}"'
        yield Failure(
            page.path, line, f"{what} is not defined on this page", code="reference-undefined"
        )
    for link in page.markup.links:
        if reason := _fault(link, page, pages, docs, terms):
            yield Failure(page.path, link.line, reason, code="link")


def _fault(
    link: Link, page: Page, pages: Mapping[Path, Page], docs: Path, terms: Terms
) -> str | None:
    what = f'{"image" if link.image else "link"} "{link.target}"'
    if fault := html.address_fault(link.target, link.image):
        return fault
    if ELSEWHERE.match(link.target):
        return None
    if not link.target:
        return f"{what} without an address"
    if link.target.startswith("/"):
        return f"absolute {what}: write it relative to this page"
    address, _, anchor = link.target.partition("#")
    address = unquote(address.partition("?")[0])
    file = _file(page, address, docs) if address else page.path
    wanted = Path(os.path.normpath(page.path.parent / address))
    shown = os.path.relpath(file or wanted, docs.parent)
    if file is None:
        return f"broken {what}: {shown} " + ("is no file" if wanted.exists() else "does not exist")
    if not file.is_relative_to(docs):
        return f"broken {what}: {shown} is not in docs"
    target = pages.get(file)
    if target and target.language != page.language:
        return f"{what} leads to another language, which the reader chooses at the top of the page"
    if link.html and address:
        return f"{what} stands in HTML, where MkDocs leaves addresses as they are: use Markdown"
    # What could not be read has a fault of its own.
    readable = target and target.lines and (terms.by_id or not target.shows("terms"))
    if target and readable and anchor:
        known = anchors(target, terms)
        if (name := unquote(anchor)) not in known:
            if target.shows("terms"):
                return f'no term "{name}" in {terms.path.name}{nearest(name, terms.by_id)}'
            return f'broken anchor "{link.target}": {shown} has no #{name}{nearest(name, known)}'
    return None


def _file(page: Page, address: str, docs: Path) -> Path | None:
    """Where MkDocs finds a file: beside the page, or beside the same page of the first language."""
    wanted = Path(os.path.normpath(page.path.parent / address))
    places = [wanted]
    if wanted.is_relative_to(docs / page.language):
        places.append(docs / LANGUAGES[0] / wanted.relative_to(docs / page.language))
    return next((place for place in places if place.is_file()), None)
