"""Changes of one line that make a sentence of a page false, and the cell that must catch each.

A green build says that the asserts hold, not that they hold what the page says: that shows when
the code is broken on purpose. After DeMillo, Lipton and Sayward, "Hints on Test Data Selection",
1978.
"""

from __future__ import annotations

import ast
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from qa import files as disk
from qa.failures import Failure, Failures
from qa.forms import nearest
from qa.memo import Memo
from qa.run.key import result_key
from qa.run.local import local_server
from qa.run.notebook import MUTANTS as NAME
from qa.run.notebook import CompanionFile, Notebook
from qa.run.report import run
from qa.run.runs import may_go_unshielded, must_isolate
from qa.run.source import parse

HEAD = re.compile(r"^\s*\[\[\s*mutant\s*\]\]", re.M)
KEYS = {"find", "replace", "claim", "anchor", "caught_by"}
FORM = (
    '[[mutant]] with find, replace, claim, anchor and caught_by, all texts, and file = "..." '
    "where the line stands in a file beside the notebook"
)
FORM_CODE = "mutants-form"
CATCHES = {"failed-assertion", "raises-nothing", "raises-another"}
"""Codes of what an assert, or a cell that must raise, says of a mutant."""
AFTERWARDS = {"left-behind", "assertion-never-held", "never-awaited"}
"""Codes of what is found when a run has ended, which here it does early."""


@dataclass(frozen=True)
class Mutant:
    """`find`, which stands once in `file` (the notebook if empty), becomes `replace`. That makes
    `claim` false, which the page makes at `anchor`; an assert in the cell `caught_by` must fail.

    `line` is the one of its head in `path`.
    """

    path: Path
    line: int
    find: str
    replace: str
    claim: str
    anchor: str
    caught_by: str
    file: str = ""

    def fault(self, reason: str, detail: str = "", code: str = "mutant") -> Failure:
        return Failure(self.path, self.line, f"{self.claim}: {reason}", detail, code)


def read(notebook: Notebook) -> list[Mutant]:
    """Those of a notebook, none if it has no file of them. Raises Failures."""
    path = notebook.path.with_suffix("") / NAME
    if not path.is_file():
        return []
    text = disk.read_text(path)
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = int(match[1]) if (match := re.search(r"line (\d+)", str(error))) else 1
        raise Failures([Failure(path, line, f"is no TOML: {error}", code=FORM_CODE)]) from error
    lines = [text.count("\n", 0, match.end()) + 1 for match in HEAD.finditer(text)]
    records = found.get("mutant")
    if found.keys() != {"mutant"} or not isinstance(records, list) or len(records) != len(lines):
        raise Failures([Failure(path, 1, f"holds nothing but {FORM}", code=FORM_CODE)])
    mutants, failures = [], []
    for line, record in zip(lines, records, strict=True):
        texts = isinstance(record, dict) and all(isinstance(v, str) for v in record.values())
        if texts and record.keys() - {"file"} == KEYS:
            mutants.append(Mutant(path, line, **record))
        else:
            failures.append(Failure(path, line, f"is not {FORM}", code=FORM_CODE))
    if not failures:
        failures = [fault for mutant in mutants for fault in check(mutant, notebook)]
    if failures:
        raise Failures(failures)
    return mutants


def check(mutant: Mutant, notebook: Notebook) -> Iterator[Failure]:
    """Whether it can be made of this notebook."""
    names = [cell.name for cell in notebook.code]
    if mutant.caught_by not in names:
        yield mutant.fault(f'no cell "{mutant.caught_by}"{nearest(mutant.caught_by, names)}')
    if mutant.file and mutant.file not in notebook.files:
        yield mutant.fault(f"no file {mutant.file}{nearest(mutant.file, notebook.files)}")
        return
    text = _text(mutant, notebook)
    count = text.count(mutant.find) if mutant.find.strip() else 0
    if count != 1:
        yield mutant.fault(f"what it looks for stands {count} times in {_where(mutant, notebook)}")
    elif "\n" in mutant.find + mutant.replace or mutant.find == mutant.replace:
        yield mutant.fault("replaces a part of one line by something else on that line")
    elif _in_assert(mutant, text):
        yield mutant.fault("changes an assert: it must break what the assert holds")


def _where(mutant: Mutant, notebook: Notebook) -> str:
    return mutant.file or f"the code of {notebook.path.name}"


def _text(mutant: Mutant, notebook: Notebook) -> str:
    if mutant.file:
        return notebook.files[mutant.file].text
    # One form feed between cells, which no line holds.
    return "\n\f\n".join(cell.source for cell in notebook.code)


def _in_assert(mutant: Mutant, text: str) -> bool:
    if mutant.file and not mutant.file.endswith(".py"):
        return False
    part = next(each for each in text.split("\n\f\n") if mutant.find in each)
    line = part[: part.index(mutant.find)].count("\n") + 1
    return any(
        node.lineno <= line <= (node.end_lineno or node.lineno)
        for node in ast.walk(parse(part))
        if isinstance(node, ast.Assert)
    )


def mutated(notebook: Notebook, mutant: Mutant) -> Notebook:
    """The notebook up to the cell that must catch the mutant, with the mutant in it."""
    last = next(n for n, cell in enumerate(notebook.cells) if cell.name == mutant.caught_by)
    cells, files = notebook.cells[: last + 1], notebook.files
    if mutant.file:
        old = files[mutant.file]
        text = old.text.replace(mutant.find, mutant.replace)
        files = {**files, mutant.file: CompanionFile(old.path, text.encode())}
    else:
        cells = tuple(
            replace(cell, source=cell.source.replace(mutant.find, mutant.replace))
            if cell.kind == "code"
            else cell
            for cell in cells
        )
    return replace(notebook, cells=cells, files=files)


def run_all(
    notebooks: Mapping[str, Notebook], mutants: Iterable[tuple[str, Mutant]], folder: Path
) -> list[Failure]:
    """One failure for each mutant that is not caught where it says; `mutants` are pairs of a
    notebook's name and one of its mutants, `folder` is the cache."""
    memo, server = Memo(folder / "mutants"), local_server(folder)
    isolate = must_isolate(server, may_go_unshielded())

    def outcome(name: str, mutant: Mutant) -> Failure | None:
        book = mutated(notebooks[name], mutant)

        def find() -> bool:
            try:
                run(book, server, isolate)
            except Failures as error:
                fault = _fault(mutant, error.failures)
            else:
                fault = mutant.fault(
                    f'cell "{mutant.caught_by}" stays green', code="mutant-survives"
                )
            if fault:
                raise Failures([fault])  # what is raised is not remembered
            return True

        try:
            memo.get("mutant is caught", result_key(book, isolate), find)
        except Failures as error:
            return error.failures[0]
        return None

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        found = threads.map(lambda pair: outcome(*pair), mutants)
        return [fault for fault in found if fault]


def _fault(mutant: Mutant, failures: list[Failure]) -> Failure | None:
    """What is wrong with how a run of it failed, or did not."""
    during = [failure for failure in failures if failure.code not in AFTERWARDS]
    catches = [failure for failure in during if failure.code in CATCHES]
    if any(failure.cell == mutant.caught_by for failure in catches):
        return None
    detail = "\n".join(map(str, failures))
    if catches:
        return mutant.fault(f'caught by cell "{catches[0].cell}"', detail, "mutant-elsewhere")
    if during:
        reason = f'cell "{during[0].cell}" breaks before an assert could fail'
        return mutant.fault(reason, detail, "mutant-breaks")
    return mutant.fault(f'cell "{mutant.caught_by}" stays green', detail, "mutant-survives")
