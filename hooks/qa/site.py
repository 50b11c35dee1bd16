"""The whole way from the files of a project to pages ready for a site generator."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from qa import LANGUAGES, accounts, root_of
from qa.accounts import Account, Accountant
from qa.examples import environment
from qa.examples import notebook as notebooks
from qa.examples.notebook import Notebook
from qa.examples.pool import Runs, run_all, warm_up
from qa.examples.store import Result, Scalar
from qa.failures import Failure, Failures
from qa.fences.verdicts import Verdicts
from qa.files import write_zip
from qa.memo import Memo, digest_of
from qa.pages import (
    changes,
    checks,
    comparison,
    corpus,
    glossary,
    links,
    lists,
    related,
    terms,
    wayfinding,
)
from qa.pages import page as pages
from qa.pages.changes import Changes
from qa.pages.comparison import Comparison
from qa.pages.corpus import Corpus
from qa.pages.figures import figure_files
from qa.pages.page import Fence, Page
from qa.pages.records import Record
from qa.pages.render import render, runs_folder
from qa.pages.terms import Terms

T = TypeVar("T")

log = logging.getLogger("mkdocs.qa")


@dataclass
class Project:
    """Where things are: a folder with docs/, notebooks/ and a cache that may be lost."""

    root: Path

    @property
    def docs(self) -> Path:
        return self.root / "docs"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def cache(self) -> Path:
        return self.root / ".cache" / "qa"

    @property
    def downloads(self) -> Path:
        """What `make offline` has made for readers to take along."""
        return self.root / "dist"

    @cached_property
    def memo(self) -> Memo:
        """For what this package works out from the texts of a project."""
        code = digest_of(list(Path(__file__).parent.rglob("*.py")))
        return Memo(self.cache / "memo", code + environment.installed().versions["jupytext"])


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
        questions, terms = self.corpus.questions, self.terms.by_id
        return {
            language: {
                name: " ".join(
                    [page.meta.get("description", "")]
                    + [questions[each].text[language] for each in page.sources if each in questions]
                    + [" ".join(terms[each].name.values()) for each in page.tags if each in terms]
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
        return str(self.memo.get("terms", depends_on, lambda: glossary.link_first_uses(*arguments)))

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
            target = site / lists.DOWNLOADS_FOLDER / file.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target)
        listed = self._page_with("changes")
        for language in LANGUAGES if address and listed else ():
            root = root_of(language)
            here = f"{address.rstrip('/')}/{root}"
            text = changes.feed(self.changes, language, f"{here}feed.xml", f"{here}{listed}/")
            (site / f"{root}feed.xml").write_text(text, encoding="utf-8")

    def _write_runs(self, site: Path) -> None:
        """Figures and executed notebooks, where the rendered pages expect them."""
        for name, result in self.results.items():
            folder = site / runs_folder(name)
            folder.mkdir(parents=True, exist_ok=True)
            for cell, ran in result.cells.items():
                for file in figure_files(cell, ran):
                    (folder / file.name).write_bytes(file.content)
            notebook = self.notebooks[name]
            outputs = {name: ran.outputs for name, ran in result.cells.items()}
            executed = notebook.as_ipynb(outputs)
            (folder / notebook.pair.name).write_text(executed, encoding="utf-8")
            if notebook.files:
                contents = {notebook.pair.name: executed.encode()}
                contents |= {name: file.content for name, file in notebook.files.items()}
                write_zip(folder / f"{notebook.path.stem}.zip", contents.items())


def prepare(project: Project, only: str = "", sync: bool = False) -> Site:
    """Read everything, run what has no result yet, check everything.

    With `only`, the name of a page, nothing else is run, and the faults of other pages are passed
    over. With `sync` pairs are written instead of compared. All faults of all files are gathered
    before Failures is raised.
    """
    failures: list[Failure] = []
    questions = _gather(failures, corpus.read, project.docs / "corpus.yml")
    glossary = _gather(failures, terms.read, project.docs / "terms.yml")
    compared = _gather(failures, comparison.read, project.docs / "comparison.yml")
    changed = _gather(failures, changes.read, project.docs / "changes.yml")
    found = _read_pages(project, failures)
    books = _read_notebooks(project, failures, sync)
    everything = [page for versions in found.values() for page in versions.values()]
    if only and only not in found:
        raise Failures([Failure(project.docs, 1, f"there is no page {only}")])
    runs = _run(project, books, found, failures, only)
    questions = questions or Corpus(project.docs / "corpus.yml", {}, {})
    if questions.documents:
        failures += corpus.link_answers(questions, everything)
        if all(page.lines for page in everything):
            failures += corpus.check_open(questions)
    glossary = glossary or Terms(project.docs / "terms.yml", {})
    checked = [page for page in everything if page.name.startswith(only)]
    account, faults = _check_code(project, books, checked)
    results = {name: result for name, result in runs.results.items() if name in books}
    compared = compared or Comparison(project.docs / "comparison.yml")
    changed = changed or Changes(project.docs / "changes.yml")
    downloads = tuple(sorted(project.downloads.glob("*.*")))
    memo = project.memo
    site = Site(
        questions, glossary, found, books, results, account, compared, changed, downloads, memo
    )
    failures += faults
    failures += checks.check_pairs_of_languages(found, project.docs)
    failures += _check_notebooks_and_pages(project, site, checked)
    if only:
        if only in books:
            warm_up(books[only], project.cache)
        failures = [fault for fault in failures if only in fault.path.as_posix()]
    if not runs.results and not failures:
        failures.append(Failure(project.notebooks, 1, "nothing ran: there is no notebook"))
    if failures:
        raise Failures(failures)
    log.info(
        f"Examples: {len(results)}, of which {runs.executed} ran now; "
        f"code: {account.ran} cells and fences ran, {account.checked} fences and files checked, "
        f"{len(account.waived)} waived, {account.diagrams} diagrams; "
        f"questions: {questions.answered} of {len(questions.questions)} answered"
    )
    return site


def _run(
    project: Project,
    books: dict[str, Notebook],
    found: dict[str, dict[str, Page]],
    failures: list[Failure],
    only: str,
) -> Runs:
    chosen = [each for each in _to_run(books, found) if each.name.startswith(only)]
    runs = run_all(chosen, project.cache)
    failures += _with_pages(runs.failures, books, found)
    return runs


def _to_run(books: dict[str, Notebook], found: dict[str, dict[str, Page]]) -> Iterator[Notebook]:
    """The notebooks, their SQL files, and the code that stands on pages, once for all languages."""
    for book in books.values():
        yield book
        yield from accounts.sessions_of_files(book)
    for versions in found.values():
        if LANGUAGES[0] in versions:
            yield from accounts.sessions_of_page(versions[LANGUAGES[0]])


def run_shard(project: Project, number: int, shards: int) -> Runs:
    """Run each `shards`-th example, beginning with the `number`-th (from 1), and store the results.

    Shards of one project are disjoint and together complete; their stores merge by copying.
    """
    failures: list[Failure] = []
    books = _read_notebooks(project, failures)
    found = _read_pages(project, failures)
    chosen = sorted(_to_run(books, found), key=lambda each: each.name)[number - 1 :: shards]
    runs = run_all(chosen, project.cache)
    runs.failures += failures
    return runs


def _check_code(
    project: Project, books: dict[str, Notebook], everything: list[Page]
) -> tuple[Account, list[Failure]]:
    accountant = Accountant(Verdicts(project.memo))
    files = {file.path.resolve() for book in books.values() for file in book.files.values()}
    files |= {book.path.resolve() for book in books.values()}
    failures = list(accountant.check_pages(everything, files))
    for book in books.values():
        failures += accountant.check_files(book)
        accountant.account.ran += len(book.code)
    return accountant.account, failures


def _gather(failures: list[Failure], read: Callable[..., T], *arguments: object) -> T | None:
    """What `read` returns, or None where it finds faults, which are added to `failures`."""
    try:
        return read(*arguments)
    except Failures as error:
        failures += error.failures
    return None


def _read_pages(project: Project, failures: list[Failure]) -> dict[str, dict[str, Page]]:
    found: dict[str, dict[str, Page]] = {}
    for language in LANGUAGES:
        folder = project.docs / language
        for path in sorted(folder.rglob("*.md")):
            name = path.relative_to(folder).with_suffix("").as_posix()
            page = _gather(failures, pages.read, path, language, name)
            # A page with faults of its own is there all the same: it is not missing.
            found.setdefault(name, {})[language] = page or Page(
                path, language, name, Record(), [], 1
            )
    return dict(sorted(found.items()))


def _read_notebooks(
    project: Project, failures: list[Failure], sync: bool = False
) -> dict[str, Notebook]:
    books: dict[str, Notebook] = {}
    memo = project.memo
    for path in notebooks.find(project.notebooks):
        book = _gather(failures, notebooks.read, path, memo)
        if book:
            books[book.name] = book
            if sync:
                notebooks.write_pair(book)
            elif fault := notebooks.check_pair(book):
                failures.append(fault)
    return books


def _with_pages(
    faults: list[Failure], books: dict[str, Notebook], found: dict[str, dict[str, Page]]
) -> list[Failure]:
    """Say with each fault of a run which pages wait for it."""
    names = {book.path: book.name for book in books.values()}
    out = []
    for fault in faults:
        versions = found.get(names.get(fault.path, ""), {})
        used = ", ".join(str(p.path.relative_to(p.path.parents[3])) for p in versions.values())
        detail = "\n".join(filter(None, [fault.detail, f"used by {used}" if used else ""]))
        out.append(Failure(fault.path, fault.line, fault.reason, detail))
    return out


def _check_notebooks_and_pages(
    project: Project, site: Site, everything: list[Page]
) -> list[Failure]:
    failures: list[Failure] = []
    book: Notebook | None
    known = {path.with_suffix("") for path in notebooks.find(project.notebooks)}
    for path in sorted(project.notebooks.glob("*/*.ipynb")):
        if path.with_suffix("") not in known:
            failures.append(Failure(path, 1, f"has no paired {path.stem}.py"))
    for name, book in site.notebooks.items():
        if name not in site.pages:
            reason = f"no page shows this notebook: write docs/{LANGUAGES[0]}/{name}.md"
            failures.append(Failure(book.path, 1, reason))
    for page in everything:
        if not page.lines:
            continue
        failures += checks.check_header(page, site.terms)
        failures += checks.check_fences(page, site.corpus)
        failures += links.check_links(page, site.by_path, project.docs, site.terms)
        path = project.notebooks / f"{page.name}.py"
        book, result = site.notebooks.get(page.name), site.results.get(page.name)
        if book:
            failures += checks.check_cells(page, book, result)
            if result:
                failures += checks.check_values(page, result.values, path.name, result.kinds)
        elif page.sources or page.cells:
            if path.with_suffix("") not in known:
                relative = path.relative_to(project.root)
                failures.append(Failure(page.path, 1, f"has no notebook: write {relative}"))
        else:
            failures += checks.check_values(page, site.statistics, "the build")
    return failures
