"""Changes of one line that make a sentence of a page false, and the cell that must catch each.

A green build says that the asserts hold, not that they hold what the page says: that shows when
the code is broken on purpose. After DeMillo, Lipton and Sayward, "Hints on Test Data Selection",
1978.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from qa import files as disk
from qa.failures import Failure, Failures
from qa.forms import nearest
from qa.run import runs
from qa.run.notebook import MUTANTS as NAME
from qa.run.notebook import CompanionFile, Notebook
from qa.run.source import parse
from qa.run.trials import Found, try_all

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
    notebook's name and one of its mutants, `folder` is the cache.

    Raises Failures if a notebook fails without any.
    """
    pairs = list(mutants)
    good = runs.run_all([notebooks[name] for name in dict.fromkeys(n for n, _ in pairs)], folder)
    if good.failures:
        raise Failures(good.failures)

    def seconds(pair: tuple[Mutant, Notebook]) -> float:
        ran = good.results[pair[1].name].cells
        return sum(ran[cell.name].seconds for cell in pair[1].code)

    # The longest first, so that none still runs alone when all others are done.
    tried = [(mutant, mutated(notebooks[name], mutant)) for name, mutant in pairs]
    tried.sort(key=seconds, reverse=True)
    found = try_all([book for _, book in tried], folder)
    faults = [_fault(mutant, each) for (mutant, _), each in zip(tried, found, strict=True)]
    return [fault for fault in faults if fault]


def _fault(mutant: Mutant, found: list[Found]) -> Failure | None:
    """What is wrong with how a run of it failed, or did not."""
    during = [each for each in found if each.code not in AFTERWARDS]
    catches = [each for each in during if each.code in CATCHES]
    if any(each.cell == mutant.caught_by for each in catches):
        return None
    detail = "\n".join(each.text for each in found)
    if catches:
        return mutant.fault(f'caught by cell "{catches[0].cell}"', detail, "mutant-elsewhere")
    if during:
        reason = f'cell "{during[0].cell}" breaks before an assert could fail'
        return mutant.fault(reason, detail, "mutant-breaks")
    return mutant.fault(f'cell "{mutant.caught_by}" stays green', detail, "mutant-survives")
