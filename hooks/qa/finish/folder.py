"""Finish the folder of a built site: each of its pages, and what belongs to all of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any
from urllib.parse import urljoin, urlsplit

from qa.drawing.drawings import Drawings
from qa.failures import Failure
from qa.finish import drawings, search_index
from qa.finish.addresses import address_of, relative
from qa.finish.languages import with_languages
from qa.finish.policy import known_scripts, names_charset, scripts_in, with_policy
from qa.finish.search_index import Entry
from qa.finish.sections import sections
from qa.finish.terms import Term, link_first_uses
from qa.memo import Memo

ARTICLE = re.compile(r"(.*?<article\b[^>]*>)(.*)(</article>.*)", re.DOTALL)
MISSING = "404.html"
"""What hosts show in place of a page that is not there, one in the folder of each language."""


@dataclass(frozen=True)
class Subject:
    """What the HTML of a page does not say of it: the file that its author edits, words by which
    readers may look for it and that need not stand on it, how much it counts beside other finds,
    whether it is found at all, and whether its terms are explained. `check` looks for faults in
    its article."""

    source: Path
    check: Callable[[str], Iterable[Failure]] = lambda _: ()
    about: str = ""
    boost: float = 1
    is_found: bool = True
    explains: bool = False


@dataclass(frozen=True)
class Language:
    """`root` is its folder in the site with a slash, or empty. `subjects` are its pages by name:
    their place below the root, `theme/slug`. `list_of_terms` is one of the names."""

    name: str
    root: str
    subjects: Mapping[str, Subject]
    terms: Mapping[str, Term]
    list_of_terms: str | None


@dataclass
class Folder:
    """The first language is the default. `address` is that of the site's root, or empty, and
    `served` says that a server, unlike a browser in a folder, looks for index.html itself."""

    path: Path
    languages: Sequence[Language]
    address: str
    served: bool
    memo: Memo
    drawings: Drawings
    failures: list[Failure] = field(default_factory=list)

    def finish(self) -> list[Failure]:
        """Change the files; returns what is wrong with them."""
        for language in self.languages:
            found = (self._finish_page(language, file) for file in self._files[language.name])
            search_index.write(self.path / language.root, list(filter(None, found)))
        return self.failures

    def _finish_page(self, language: Language, file: str) -> Entry | None:
        """Returns what readers may find in it."""
        path, entry = self.path / language.root / file, None
        page = path.read_text(encoding="utf-8")
        subject = language.subjects.get(_name_of(file, language.subjects) or "")
        if subject and (parts := ARTICLE.fullmatch(page)):
            self.failures += subject.check(parts[2])
            self.failures += _scripts_in_article(parts[2], subject)
            article = self._article(parts[2], language, file, subject)
            page = parts[1] + self._drawn(article["html"], subject) + parts[3]
            if subject.is_found:
                address = address_of(file, self.served)
                entry = Entry(address, subject.about, subject.boost, article["sections"])
        page = with_languages(page, *self._versions(language, file))
        if not names_charset(page):
            reason = "names no charset, behind which its policy would stand"
            source = subject.source if subject else path
            self.failures.append(Failure(source, 1, reason, code="page-without-charset"))
        path.write_text(with_policy(page, self._scripts), encoding="utf-8")
        return entry

    def _article(self, inside: str, language: Language, file: str, subject: Subject) -> Any:
        """Its HTML with terms explained, and its sections, both worked out once."""
        listed = language.list_of_terms
        target = self._addresses[language.name].get(listed or "")
        here = address_of(file, self.served)
        terms = language.terms if subject.explains and target not in (None, here) else {}
        way = relative(target, here) if terms and target else ""

        def work_out() -> dict[str, Any]:
            return {"html": link_first_uses(inside, terms, way), "sections": sections(inside)}

        return self.memo.get("finished article", "\0".join((repr(terms), way, inside)), work_out)

    def _drawn(self, article: str, subject: Subject) -> str:
        sketches = drawings.sketches(article)
        self.drawings.draw(sketches)
        for sketch in sketches:
            if reason := self.drawings.known[sketch].reason:
                # What an author wrote was checked before: this comes out of a run, or of a list.
                reason = f"holds what cannot be drawn: {reason}: {shorten(sketch.source, 60)}"
                self.failures.append(Failure(subject.source, 1, reason, code="cannot-draw"))
        return drawings.put_in(article, self.drawings.known)

    def _versions(self, language: Language, file: str) -> tuple[dict[str, str], dict[str, str]]:
        """By language, where this page stands in it, for machines and for readers."""
        if file == MISSING:
            root = urlsplit(self.address or "/").path
            return {}, {other.name: root + other.root for other in self.languages}
        name = address_of(file, self.served)
        here = language.root + name
        home = address_of("index.html", self.served)
        alternates, switch = {}, {}
        for other in self.languages:
            is_there = file in self._files[other.name]
            switch[other.name] = relative(other.root + (name if is_there else home), here)
            if is_there:
                full = urljoin(self.address, other.root + name)
                alternates[other.name] = full if self.address else switch[other.name]
        default = self.languages[0].name
        if default in alternates:
            alternates["x-default"] = alternates[default]
        return alternates, switch

    @cached_property
    def _files(self) -> dict[str, dict[str, None]]:
        """By language, the HTML files below its root, in their order."""
        roots = {language.name: language.root for language in self.languages}
        found: dict[str, dict[str, None]] = {name: {} for name in roots}
        # The longest root that fits is that of the file's language.
        nearest = sorted(roots, key=lambda name: -len(roots[name]))
        for path in sorted(self.path.rglob("*.html")):
            file = path.relative_to(self.path).as_posix()
            name = next(name for name in nearest if file.startswith(roots[name]))
            found[name][file.removeprefix(roots[name])] = None
        return found

    @cached_property
    def _addresses(self) -> dict[str, dict[str, str]]:
        """By language and name of a page, from the language's root."""
        return {
            language.name: {
                name: address_of(file, self.served)
                for file in self._files[language.name]
                if (name := _name_of(file, language.subjects))
            }
            for language in self.languages
        }

    @cached_property
    def _scripts(self) -> frozenset[str]:
        root = urlsplit(self.address or "/").path
        return known_scripts(root + language.root for language in self.languages)


def _name_of(file: str, subjects: Mapping[str, Subject]) -> str | None:
    """The page that a file shows: generators write `a.html` or `a/index.html` for `a`."""
    name = file.removesuffix(".html")
    return next((each for each in (name, name.removesuffix("/index")) if each in subjects), None)


def _scripts_in_article(article: str, subject: Subject) -> Iterator[Failure]:
    for script in scripts_in(article):
        reason = f"holds a script, which no browser would run: {shorten(script, 60)}"
        yield Failure(subject.source, 1, reason, code="script-on-page")
