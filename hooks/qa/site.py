"""A project that was read, run and checked: its pages as Markdown, and the files beside them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from qa import LANGUAGES, root_of
from qa.check import article, shown
from qa.check.accounts import Account
from qa.failures import Failure
from qa.files import path_below, write_zip
from qa.finish import terms
from qa.memo import Memo
from qa.pages import (
    changes,
    comparison,
    lists,
    related,
    wayfinding,
)
from qa.pages.changes import Changes
from qa.pages.comparison import Comparison
from qa.pages.corpus import Corpus
from qa.pages.fences import Fence
from qa.pages.figures import figure_files
from qa.pages.page import Page
from qa.pages.render import render, runs_folder, with_values
from qa.pages.terms import Terms
from qa.run.notebook import Notebook
from qa.run.store import Result, Scalar

T = TypeVar("T")

log = logging.getLogger("mkdocs.qa")


@dataclass
class Site:
    """A project that was read, run and checked."""

    corpus: Corpus
    terms: Terms
    pages: dict[str, dict[str, Page]]
    notebooks: dict[str, Notebook]
    results: dict[str, Result]
    account: Account
    comparison: Comparison
    changes: Changes
    downloads: tuple[Path, ...]
    memo: Memo
    by_path: dict[Path, Page] = field(init=False)
    faults: list[Failure] = field(default_factory=list)
    """What was found on built pages."""

    def __post_init__(self) -> None:
        self.by_path = {p.path: p for versions in self.pages.values() for p in versions.values()}

    @property
    def statistics(self) -> dict[str, Scalar]:
        """What pages without a notebook may name in `{{ }}`."""
        return {
            "examples": len(self.results),
            "cells": sum(len(result.cells) for result in self.results.values()),
            "example_seconds": sum(result.seconds for result in self.results.values()),
            "questions": len(self.corpus.questions),
            "questions_answered": self.corpus.answered,
            "documents": len(self.corpus.documents),
            "blocks_run": self.account.ran,
            "blocks_checked": self.account.checked,
            "blocks_waived": len(self.account.waived),
            "diagrams": self.account.diagrams,
        }

    @property
    def about(self) -> dict[str, dict[str, str]]:
        """By language and page, words by which readers may look for it: the questions it answers,
        its description and its tags."""
        questions, known = self.corpus.questions, self.terms.by_id
        return {
            language: {
                name: " ".join(
                    [page.meta.get("description", "")]
                    + [questions[each].text[language] for each in page.sources if each in questions]
                    + [" ".join(known[each].name.values()) for each in page.tags if each in known]
                )
                for name, versions in self.pages.items()
                if (page := versions.get(language))
            }
            for language in LANGUAGES
        }

    @cached_property
    def list_of_terms(self) -> str | None:
        return self._page_with("terms")

    def _page_with(self, what: str) -> str | None:
        """The name of the page on which a fence stands that lists `what`, if there is one."""
        pages = ((name, next(iter(versions.values()))) for name, versions in self.pages.items())
        return next((name for name, page in pages if page.shows(what)), None)

    @cached_property
    def related(self) -> dict[str, list[str]]:
        return related.neighbours(next(iter(versions.values())) for versions in self.pages.values())

    def values(self, page: Page) -> dict[str, Scalar]:
        result = self.results.get(page.name)
        return result.values if result else self.statistics

    def render(self, path: Path, to_root: str) -> str | None:
        """The Markdown of the page at `path`, or None if it is none of this project's."""
        page = self.by_path.get(path)
        if page is None:
            return None
        notebook, result = self.notebooks.get(page.name), self.results.get(page.name)
        above = wayfinding.below_title(page, self.terms, self.list_of_terms)
        lists_ = self._lists(page, to_root)
        lines = render(page, self.values(page), notebook, result, lists_, to_root, above)
        near = self.related.get(page.name, ())
        lines += wayfinding.related(page, near, self._titles(page.language))
        return "\n".join(lines) + "\n"

    def check_content(self, path: Path, content: str) -> None:
        """Look for `faults` in the HTML that was made of the page at `path`."""
        page = self.by_path.get(path)
        if page is None:
            return
        lines = with_values(page, self.values(page))
        root = path.parents[len(Path(page.name).parts) + 1]
        added = [wayfinding.WORDS[page.language]["related"]] if self.related.get(page.name) else []
        written = shown.written(page, lines, self.notebooks.get(page.name), root, added)
        found = self.memo.get(
            "article",
            f"{written}\0{content}",
            lambda: [astuple(finding) for finding in article.check(content, written)],
        )
        self.faults += [Failure(path, line, reason, code=code) for line, reason, code in found]

    @cached_property
    def _text_of_terms(self) -> str:
        return repr(self.terms.by_id)

    def explain_terms(self, path: Path, content: str, address: str) -> str:
        """The HTML of an answer, with its terms explained; `address` is that of their list."""
        page = self.by_path.get(path)
        if page is None or not page.sources:
            return content
        arguments = content, self.terms.by_id, page.language, address
        depends_on = "\0".join((page.language, address, self._text_of_terms, content))
        return str(self.memo.get("terms", depends_on, lambda: terms.link_first_uses(*arguments)))

    def _lists(self, page: Page, to_root: str) -> dict[str, Callable[[Fence], list[str]]]:
        titles = self._titles(page.language)
        root = page.path.parents[len(Path(page.name).parts) + 1]
        return {
            "questions": lambda f: lists.questions(
                page, f.options.get("document", ""), self.corpus, titles
            ),
            "terms": lambda _: lists.terms(page, self.terms),
            "waivers": lambda _: lists.waivers(page, self.account.waived, root),
            "comparison": lambda _: comparison.table(page, self.comparison),
            "changes": lambda _: changes.lines(page, self.changes),
            "downloads": lambda _: lists.downloads(page, self.downloads, to_root),
            "runs": lambda _: lists.runs(page, self.results, titles),
        }

    def _titles(self, language: str) -> dict[str, str]:
        # While one page is served, others may still lack a language.
        return {
            name: versions[language].title if language in versions else name
            for name, versions in self.pages.items()
        }

    def write_files(self, site: Path, address: str) -> None:
        """What belongs to the rendered pages; `address` is that of the site's root, if known."""
        self._write_runs(site)
        for file in self.downloads:
            shutil.copyfile(file, path_below(site, f"{lists.DOWNLOADS_FOLDER}/{file.name}"))
        listed = self._page_with("changes")
        for language in LANGUAGES if address and listed else ():
            root = root_of(language)
            here = f"{address.rstrip('/')}/{root}"
            text = changes.feed(self.changes, language, f"{here}feed.xml", f"{here}{listed}/")
            path_below(site, f"{root}feed.xml").write_text(text, encoding="utf-8")

    def _write_runs(self, site: Path) -> None:
        """Figures and executed notebooks, where the rendered pages expect them."""
        for name, result in self.results.items():
            folder = runs_folder(name)
            for cell, ran in result.cells.items():
                for file in figure_files(cell, ran):
                    path_below(site, f"{folder}/{file.name}").write_bytes(file.content)
            notebook = self.notebooks[name]
            outputs = {name: ran.outputs for name, ran in result.cells.items()}
            executed = notebook.as_ipynb(outputs)
            path_below(site, f"{folder}/{notebook.pair.name}").write_text(executed, "utf-8")
            if notebook.files:
                contents = {notebook.pair.name: executed.encode()}
                contents |= {name: file.content for name, file in notebook.files.items()}
                name = f"{folder}/{notebook.path.stem}.zip"
                write_zip(path_below(site, name), contents.items())
