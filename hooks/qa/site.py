"""A project that was read, run and checked: what its site is made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from qa import LANGUAGES
from qa.drawing.drawings import Drawings
from qa.facts import Fact, Facts
from qa.memo import Memo
from qa.pages import related
from qa.pages.account import Account
from qa.pages.changes import Changes
from qa.pages.comparison import Comparison
from qa.pages.corpus import Corpus
from qa.pages.includes import Includes
from qa.pages.page import Page
from qa.pages.statistics import statistics
from qa.pages.terms import Terms
from qa.run.exploring import Proof
from qa.run.notebook import Notebook
from qa.run.store import Result, Scalar


@dataclass
class Site:
    corpus: Corpus
    terms: Terms
    comparison: Comparison
    changes: Changes
    facts: Facts
    pages: dict[str, dict[str, Page]]
    notebooks: dict[str, Notebook]
    results: dict[str, Result]
    proofs: dict[str, Proof]
    account: Account
    downloads: tuple[Path, ...]
    memo: Memo
    drawings: Drawings
    by_path: dict[Path, Page] = field(init=False)

    def __post_init__(self) -> None:
        self.by_path = {p.path: p for versions in self.pages.values() for p in versions.values()}

    @cached_property
    def includes(self) -> Includes:
        return Includes(self.notebooks.values(), self.corpus.path.parents[1])

    @property
    def statistics(self) -> dict[str, Scalar]:
        return statistics(self.results, self.corpus, self.account)

    def values(self, page: Page) -> dict[str, Scalar]:
        """What the page may name in `{{ }}`."""
        result = self.results.get(page.name)
        return {**(result.values if result else self.statistics), **self.facts.values}

    def facts_of(self, name: str) -> list[Fact]:
        """Those that the pages of this name use, and their notebook."""
        used = {v.fact for page in self.pages[name].values() for v in page.values}
        if notebook := self.notebooks.get(name):
            used |= set(notebook.facts)
        return self.facts.named(used)

    @cached_property
    def users_of_facts(self) -> dict[str, list[str]]:
        """The names of pages, by the groups of facts that they use."""
        users: dict[str, list[str]] = {}
        for name in self.pages:
            for group in dict.fromkeys(fact.group for fact in self.facts_of(name)):
                users.setdefault(group, []).append(name)
        return users

    def titles(self, language: str) -> dict[str, str]:
        """Those of the pages, by name."""
        return self._titles[language]

    @cached_property
    def _titles(self) -> dict[str, dict[str, str]]:
        # While one page is served, others may still lack a language.
        return {
            language: {
                name: versions[language].title if language in versions else name
                for name, versions in self.pages.items()
            }
            for language in LANGUAGES
        }

    @cached_property
    def related(self) -> dict[str, list[str]]:
        return related.neighbours(next(iter(versions.values())) for versions in self.pages.values())

    @cached_property
    def list_of_terms(self) -> str | None:
        return self.page_with("terms")

    def page_with(self, what: str) -> str | None:
        """The name of the page on which a fence stands that lists `what`, if there is one."""
        pages = ((name, next(iter(versions.values()))) for name, versions in self.pages.items())
        return next((name for name, page in pages if page.shows(what)), None)
