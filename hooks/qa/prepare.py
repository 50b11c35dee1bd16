"""The whole way from the files of a project to pages ready for a site generator."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TypeVar

from qa import LANGUAGES, facts, files, tree
from qa.check import (
    accounts,
    assets,
    dates,
    drawings,
    labels,
    languages,
    links,
    markdown,
    outline,
    parity,
    quoted,
    unused_files,
)
from qa.check import mutants as check_mutants
from qa.check import pages as checks
from qa.check.accounts import Accountant
from qa.check.verdicts import Verdicts
from qa.drawing.drawings import Drawings
from qa.failures import Failure, Failures
from qa.pages import (
    changes,
    comparison,
    corpus,
    lists,
    terms,
)
from qa.pages import page as pages
from qa.pages.account import Account
from qa.pages.changes import Changes
from qa.pages.comparison import Comparison
from qa.pages.corpus import Corpus
from qa.pages.includes import Includes
from qa.pages.page import Page
from qa.pages.terms import Terms
from qa.project import Project
from qa.run import exploring, mutants
from qa.run import notebook as notebooks
from qa.run.mutants import Mutant
from qa.run.notebook import Notebook
from qa.run.runs import Runs, run_all, warm_up
from qa.site import Site
from qa.yaml_lines import Record

T = TypeVar("T")

log = logging.getLogger("mkdocs.qa")


def prepare(project: Project, only: str = "", sync: bool = False) -> Site:
    """Read everything, run what has no result yet, check everything.

    With `only`, the name of a page, nothing else is run, and the faults of other pages are passed
    over. With `sync` pairs are written instead of compared. All faults of all files are gathered
    before Failures is raised.
    """
    project.refuse_unsafe_files()
    known = facts.read(project.docs / facts.FILE)
    failures: list[Failure] = []
    found = _read_pages(project, failures)
    books = _read_notebooks(project, failures, sync)
    if only and only not in found:
        raise Failures([Failure(project.docs, 1, f"there is no page {only}", code="page-unknown")])
    checked = [page for versions in _named(only, found).values() for page in versions.values()]
    drawn = Drawings(project.memo.folder)
    with ThreadPoolExecutor(1) as beside:
        # One process draws while others run the examples.
        drawing = beside.submit(drawings.check, checked, drawn)
        runs = run_all(_to_run(_named(only, books), _named(only, found)), project.cache)
        failures += _with_pages(runs.failures, books, found)
        failures += drawing.result()
    account, faults = _check_code(project, books, checked)
    planted = {name: _gather(failures, mutants.read, book) or [] for name, book in books.items()}
    site = Site(
        *_read_tables(project, failures),
        known,
        found,
        books,
        {name: result for name, result in runs.results.items() if name in books},
        {name: exploring.proof(book, len(planted[name])) for name, book in books.items()},
        account,
        tuple(lists.downloads_by_kind(files.below(project.downloads, "*.*")).values()),
        project.memo,
        drawn,
    )
    failures += faults
    failures += _check_site(project, site)
    failures += _check_notebooks(project, site, planted)
    for page in checked:
        if page.lines:
            failures += _check_page(project, site, page)
    if only:
        if only in books:
            warm_up(books[only], project.cache)
        failures = _faults_of(only, failures, project, books.get(only))
    elif not runs.results and not failures:
        reason = "nothing ran: there is no notebook"
        failures.append(Failure(project.notebooks, 1, reason, code="nothing-ran"))
    if failures:
        raise Failures(failures)
    _log(site, len(runs.ran & site.results.keys()))
    return site


def _read_tables(
    project: Project, failures: list[Failure]
) -> tuple[Corpus, Terms, Comparison, Changes]:
    """The data files of docs/; one that cannot be read counts as empty, beside its faults."""
    docs = project.docs
    return (
        _gather(failures, corpus.read, docs / "corpus.yml") or Corpus(docs / "corpus.yml", {}, {}),
        _gather(failures, terms.read, docs / "terms.yml") or Terms(docs / "terms.yml", {}),
        _gather(failures, comparison.read, docs / "comparison.yml")
        or Comparison(docs / "comparison.yml"),
        _gather(failures, changes.read, docs / "changes.yml") or Changes(docs / "changes.yml"),
    )


def _check_site(project: Project, site: Site) -> Iterator[Failure]:
    """What can be said of all pages together alone."""
    everything = list(site.by_path.values())
    yield from tree.misplaced_pages(project.docs, LANGUAGES)
    if site.corpus.documents:
        yield from corpus.link_answers(site.corpus, everything)
        if all(page.lines for page in everything):
            yield from corpus.check_open(site.corpus)
    yield from assets.check(project.docs, project.memo)
    yield from dates.check(site.changes, site.pages)
    yield from parity.check_pairs_of_languages(site.pages, project.docs)


def _log(site: Site, ran: int) -> None:
    account, questions = site.account, site.corpus
    log.info(
        f"Examples: {len(site.results)}, of which {ran} ran now; "
        f"code: {account.ran} cells and fences ran, {account.checked} fences and files checked, "
        f"{len(account.waived)} waived, {account.diagrams} diagrams; "
        f"questions: {questions.answered} of {len(questions.questions)} answered"
    )


def _named(only: str, records: dict[str, T]) -> dict[str, T]:
    """The one record of a page, or all if it is empty."""
    return {name: record for name, record in records.items() if only in ("", name)}


def _faults_of(
    only: str, failures: list[Failure], project: Project, book: Notebook | None
) -> list[Failure]:
    """Those in the files of one page: its languages, its notebook, and what that brings along."""
    own = {project.docs / language / f"{only}.md" for language in LANGUAGES}
    source = project.notebooks / f"{only}.py"
    own |= {source, source.with_suffix(".ipynb")}
    if book:
        own |= {file.path for file in book.files.values()}
    else:
        # It could not be read, which may lie in a module beside it.
        own |= {path for path in source.parent.glob("*.py") if not notebooks.is_notebook(path)}
    folder = source.with_suffix("")
    return [each for each in failures if each.path in own or folder in each.path.parents]


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
    project.refuse_unsafe_files()
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
    failures = list(accountant.check_pages(everything, Includes(books.values(), project.root)))
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
        for path in files.below(folder, "**/*.md"):
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
        out.append(replace(fault, detail=detail))
    return out


def _check_notebooks(
    project: Project, site: Site, planted: dict[str, list[Mutant]]
) -> list[Failure]:
    failures = list(unused_files.find(project.notebooks, site.notebooks.values()))
    for name, book in site.notebooks.items():
        if name not in site.pages:
            reason = f"no page shows this notebook: write docs/{LANGUAGES[0]}/{name}.md"
            failures.append(Failure(book.path, 1, reason, code="notebook-without-page"))
        for page in site.pages.get(name, {}).values():
            failures += check_mutants.check(planted[name], page)
    return failures


def _check_page(project: Project, site: Site, page: Page) -> Iterator[Failure]:
    book, result = site.notebooks.get(page.name), site.results.get(page.name)
    yield from markdown.check(page, Verdicts(project.memo))
    yield from languages.check(page)
    yield from checks.check_header(page, site.terms)
    yield from checks.check_fences(page, site.corpus)
    yield from quoted.check(page, site.pages, site.results)
    yield from checks.check_anchors(page)
    yield from checks.check_includes(page)
    yield from links.check_links(page, site.by_path, project.docs, site.terms)
    yield from labels.check(page, book, result)
    if page.sources:
        yield from outline.check(page, book, site.includes)
    path = project.notebooks / f"{page.name}.py"
    if book:
        yield from checks.check_cells(page, book, result)
        if result:
            yield from checks.check_values(page, site.values(page), path.name, result.kinds)
    elif not page.sources and not page.cells:
        yield from checks.check_values(page, site.values(page), "the build")
    elif path not in notebooks.find(project.notebooks):
        reason = f"has no notebook: write {path.relative_to(project.root)}"
        yield Failure(page.path, 1, reason, code="page-without-notebook")
