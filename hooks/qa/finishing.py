"""What finishing a site's built pages needs to know of the project that they were made from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import Any

from qa.check import article, shown
from qa.failures import Failure, Failures
from qa.finish import imprint, whole
from qa.finish.built import BuiltSite, Language, Subject
from qa.finish.terms import Term
from qa.pages.page import Page
from qa.pages.render import with_values
from qa.site import Site
from qa.words import WORDS

HOME = "index"
MARKS = re.compile(r"[`*]")
"""Of Markdown, in a title that is shown as plain text."""


def finish(
    site: Site,
    folder: Path,
    address: str,
    served: bool,
    roots: Mapping[str, str],
    settings: Mapping[str, Any],
) -> None:
    """`folder` holds the built pages, `roots` the folders of the languages in it, and `settings`
    are those of mkdocs.yml; for the rest see qa.finish.built. Raises Failures."""
    languages = [_language(site, name, root) for name, root in roots.items()]
    built = BuiltSite(folder, languages, address, served, imprint.read(settings))
    if failures := whole.finish(built, site.memo, site.drawings):
        raise Failures(failures)


def _language(site: Site, language: str, root: str) -> Language:
    subjects = {
        name: _subject(site, page)
        for name, versions in site.pages.items()
        # While one page is served, others may still lack a language.
        if (page := versions.get(language))
    }
    terms = {
        identifier: Term((term.name["en"], term.name[language]), term.definition[language])
        for identifier, term in site.terms.by_id.items()
    }
    synonyms = [
        (other, term.name[language])
        for term in site.terms.by_id.values()
        for other in dict.fromkeys([*term.name.values(), *term.aliases.get(language, ())])
        if other != term.name[language]
    ]
    return Language(language, root, subjects, terms, site.list_of_terms, synonyms)


def _faults(site: Site, page: Page, content: str) -> Iterator[Failure]:
    """Each heading and each block of code of an article is one that was written and accounted
    for."""
    lines = with_values(page, site.values(page))
    added = [WORDS[page.language].related] if site.related.get(page.name) else []
    written = shown.written(page, lines, site.notebooks.get(page.name), site.includes, added)
    found = site.memo.get(
        "article",
        f"{written}\0{content}",
        lambda: [astuple(finding) for finding in article.check(content, written)],
    )
    for line, reason, code in found:
        yield Failure(page.path, line, reason, code=code)


def _dates(site: Site, page: Page) -> tuple[str, str] | None:
    """The home page changes with whatever changes."""
    entries = site.changes.entries
    if page.name == HOME and entries:
        return entries[-1].date, entries[0].date
    return site.changes.dates(page.name)


def _subject(site: Site, page: Page) -> Subject:
    questions, terms = site.corpus.questions, site.terms.by_id
    words = [page.meta.get("description", "")]
    asked = [questions[each].text[page.language] for each in page.sources if each in questions]
    words += dict.fromkeys(asked)
    words += [" ".join(terms[each].name.values()) for each in page.tags if each in terms]
    search = page.meta.get("search", {})
    theme = site.pages.get(f"{page.name.partition('/')[0]}/index", {}).get(page.language)
    root = page.path.parents[len(Path(page.name).parts) + 1]
    return Subject(
        page.path,
        lambda article: _faults(site, page, article),
        about=" ".join(words),
        aliases=tuple(page.meta.get("aliases", ())),
        boost=search.get("boost", 1),
        is_found=not search.get("exclude"),
        explains=bool(page.sources),
        title=MARKS.sub("", page.title),
        description=page.meta.get("description", ""),
        theme=MARKS.sub("", theme.title) if theme and page.sources else "",
        file=page.path.relative_to(root).as_posix(),
        dates=_dates(site, page),
    )
