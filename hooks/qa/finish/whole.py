"""All that finishing does, to each page of a built site and to the site as a whole."""

from __future__ import annotations

import re
from collections.abc import Iterator
from textwrap import shorten
from typing import Any

from qa.drawing.drawings import Drawings
from qa.failures import Failure
from qa.files import path_below
from qa.finish import drawings, search_index, sitemap
from qa.finish.addresses import relative
from qa.finish.built import BuiltSite, Page, Subject
from qa.finish.cards import Cards
from qa.finish.head import with_head
from qa.finish.imprint import with_imprint
from qa.finish.languages import with_languages
from qa.finish.line_breaks import joined
from qa.finish.names import with_names
from qa.finish.policy import known_scripts, names_charset, scripts_in, with_policy
from qa.finish.printed import with_printed
from qa.finish.search_index import Entry
from qa.finish.sections import sections
from qa.finish.tables import labelled
from qa.finish.terms import link_first_uses
from qa.memo import Memo

ARTICLES = (
    re.compile(
        r'(.*?<article\b[^>]*>(?:\s*<a id="__skip"[^>]*></a>)?)(.*)(</article>.*)', re.DOTALL
    ),
    # It stands in three elements, which the footer is not in.
    re.compile(r'(.*?\brole="main"[^>]*>)(.*)((?:\s*</div>){3}\s*<footer\b.*)', re.DOTALL),
)
"""What stands before, in and behind the article of a page, as themes mark it."""


def finish(site: BuiltSite, memo: Memo, drawn: Drawings) -> list[Failure]:
    """Change the files of the site, and add some; returns what is wrong with them."""
    failures: list[Failure] = []
    entries: dict[str, list[Entry]] = {language.root: [] for language in site.languages}
    known = known_scripts(site.host_path + root for root in entries)
    cards = Cards(site)
    for page in site.pages:
        path = site.folder / page.path
        html = path.read_text(encoding="utf-8")
        if page.subject and (parts := _parts(html)):
            failures += _faults(page.subject, parts[2])
            article = _article(site, page, parts[2], memo)
            failures += _draw(page.subject, article["html"], drawn)
            html = parts[1] + drawings.put_in(article["html"], drawn.known) + parts[3]
            entries[page.language.root].append(_entry(site, page, article["sections"]))
        elif page.subject:
            reason = "nothing on its built page is marked as its article, to be checked there"
            failures.append(Failure(page.subject.source, 1, reason, code="page-without-article"))
        html = with_imprint(with_head(html, site, page, cards.add(page, html)), site, page)
        html = with_printed(html, site, page)
        html = with_languages(html, site.alternates(page), site.switch(page))
        if not names_charset(html):
            reason = "names no charset, behind which its policy would stand"
            failures.append(Failure(path, 1, reason, code="page-without-charset"))
        path_below(site.folder, page.path).write_text(with_policy(html, known), encoding="utf-8")
    for language in site.languages:
        root = site.folder / language.root
        search_index.write(root, entries[language.root], language.synonyms, memo)
    cards.write(memo)
    if site.address:
        sitemap.write(site)
    return failures


def _parts(html: str) -> re.Match[str] | None:
    return next(filter(None, (pattern.fullmatch(html) for pattern in ARTICLES)), None)


def _faults(subject: Subject, article: str) -> Iterator[Failure]:
    yield from subject.check(article)
    for script in scripts_in(article):
        reason = f"holds a script, which no browser would run: {shorten(script, 60)}"
        yield Failure(subject.source, 1, reason, code="script-on-page")


def _article(site: BuiltSite, page: Page, inside: str, memo: Memo) -> Any:
    """Its `html` with terms explained, and its `sections`, both worked out once."""
    listed = site.find(page.language, page.language.list_of_terms)
    explains = page.subject and page.subject.explains and listed and listed != page
    terms = page.language.terms if explains else {}
    way = relative(site.address_of(listed), site.address_of(page)) if explains and listed else ""

    def work_out() -> dict[str, Any]:
        text = with_names(joined(inside))
        explained = link_first_uses(text, terms, way)
        return {"html": labelled(explained), "sections": sections(text)}

    return memo.get("finished article", "\0".join((repr(terms), way, inside)), work_out)


def _draw(subject: Subject, article: str, drawn: Drawings) -> Iterator[Failure]:
    sketches = drawings.sketches(article)
    drawn.draw(sketches)
    for sketch in sketches:
        if reason := drawn.known[sketch].reason:
            # What an author wrote was checked before: this comes out of a run, or of a list.
            reason = f"holds what cannot be drawn: {reason}: {shorten(sketch.source, 60)}"
            yield Failure(subject.source, 1, reason, code="cannot-draw")


def _entry(site: BuiltSite, page: Page, found: list[dict[str, str]]) -> Entry:
    assert page.subject is not None
    address = site.address_of(page).removeprefix(page.language.root)
    return Entry(address, page.subject, found)
