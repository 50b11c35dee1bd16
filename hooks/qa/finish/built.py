"""A built site as it lies in a folder: its pages, where readers find them, and their languages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import urljoin, urlsplit

from qa.failures import Failure
from qa.finish.addresses import address_of, relative
from qa.finish.terms import Term

MISSING = "404.html"
"""What hosts show in place of a page that is not there, one in the folder of each language."""


Synonym = tuple[str, str]
"""What readers type, and the name of the term that they mean."""


@dataclass(frozen=True)
class Subject:
    """What the HTML of a page does not say of it: the file that its author edits, which from the
    project's root is `file`, words by which readers may look for it and that need not stand on it,
    what else they type who mean it, how much it counts beside other finds, whether it is found at
    all, and whether its terms are explained, as those of an answer are. `dates` are when it came
    and when it last changed, if that is known, in ISO 8601. `check` looks for faults in its
    article."""

    source: Path
    check: Callable[[str], Iterable[Failure]] = lambda _: ()
    about: str = ""
    aliases: tuple[str, ...] = ()
    boost: float = 1
    is_found: bool = True
    explains: bool = False
    title: str = ""
    description: str = ""
    theme: str = ""
    file: str = ""
    dates: tuple[str, str] | None = None


@dataclass(frozen=True)
class Language:
    """`root` is its folder in the site with a slash, or empty. `subjects` are its pages by name:
    their place below the root, `theme/slug`. `list_of_terms` is one of the names."""

    name: str
    root: str
    subjects: Mapping[str, Subject]
    terms: Mapping[str, Term]
    list_of_terms: str | None
    synonyms: Sequence[Synonym] = ()

    def name_of(self, file: str) -> str | None:
        """The page that a file shows: generators write `a.html` or `a/index.html` for `a`."""
        name = file.removesuffix(".html")
        names = (name, name.removesuffix("/index"))
        return next((each for each in names if each in self.subjects), None)


@dataclass(frozen=True)
class Page:
    """A file of HTML at `path` below the site's root, and the page of a language that it shows:
    None for what no author wrote, as the page for missing ones is."""

    path: str
    language: Language
    name: str | None

    @property
    def subject(self) -> Subject | None:
        return self.language.subjects[self.name] if self.name else None


@dataclass(frozen=True)
class Imprint:
    """Who stands behind a site: what is empty is not shown. `repository` is an address, below which
    `branch` holds the sources; `version` says which of them the site was built from."""

    maintainer: str = ""
    maintainer_address: str = ""
    license: str = ""
    license_address: str = ""
    repository: str = ""
    branch: str = "main"
    version: str = ""


@dataclass
class BuiltSite:
    """The first language is the default. `address` is that of the site's root, or empty, and
    `served` says that a server, unlike a browser in a folder, looks for index.html itself."""

    folder: Path
    languages: Sequence[Language]
    address: str
    served: bool
    imprint: Imprint = Imprint()

    @cached_property
    def pages(self) -> list[Page]:
        """What lies below no language's root belongs to the default."""
        nearest = sorted(self.languages, key=lambda language: -len(language.root))
        pages = []
        for file in sorted(self.folder.rglob("*.html")):
            path = file.relative_to(self.folder).as_posix()
            fits = (each for each in nearest if path.startswith(each.root))
            language = next(fits, self.languages[0])
            pages.append(Page(path, language, language.name_of(path.removeprefix(language.root))))
        return pages

    def address_of(self, page: Page) -> str:
        """From the site's root."""
        return address_of(page.path, self.served)

    def full_address_of(self, page: Page) -> str:
        return urljoin(self.address, self.address_of(page))

    def find(self, language: Language, name: str | None) -> Page | None:
        return self._found.get((language.name, name or ""))

    @cached_property
    def _found(self) -> dict[tuple[str, str], Page]:
        return {(page.language.name, page.name): page for page in self.pages if page.name}

    def versions(self, page: Page) -> dict[str, Page]:
        """The same page by language, in their order; none of what is no author's page."""
        found = ((each.name, self.find(each, page.name)) for each in self.languages)
        return {name: version for name, version in found if version}

    def alternates(self, page: Page) -> dict[str, str]:
        """Addresses of the versions for search engines, which want full ones and a default."""
        here = self.address_of(page)
        found = {
            name: self.full_address_of(version)
            if self.address
            else relative(self.address_of(version), here)
            for name, version in self.versions(page).items()
        }
        default = self.languages[0].name
        return found | ({"x-default": found[default]} if default in found else {})

    def switch(self, page: Page) -> dict[str, str]:
        """Where a reader of the page goes who chooses a language: to its home if it lacks the page.

        Hosts show the page for missing ones at any address, from which no relative way leads.
        """
        here, versions = self.address_of(page), self.versions(page)
        out = {}
        for language in self.languages:
            version = versions.get(language.name)
            home = address_of(f"{language.root}index.html", self.served)
            target = self.address_of(version) if version else home
            missing = page.path.endswith(MISSING)
            out[language.name] = self.host_path + target if missing else relative(target, here)
        return out

    @property
    def host_path(self) -> str:
        """At which a host serves the site."""
        return urlsplit(self.address or "/").path
