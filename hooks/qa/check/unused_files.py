"""Files under notebooks/ that nothing runs, imports or checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from qa.failures import Failure
from qa.files import below
from qa.run import notebook as notebooks
from qa.run.notebook import Notebook
from qa.run.percent import first_marker

SETTINGS = ("jupytext.toml", "ruff.toml")
PLACE = "notebooks/<theme>/<slug>.py"


def find(folder: Path, books: Iterable[Notebook]) -> Iterator[Failure]:
    """`folder` is notebooks/, `books` are those that could be read: of the others nobody knows
    which modules they import."""
    known = notebooks.find(folder)
    books = list(books)
    used = {file.path for book in books for file in book.files.values()}
    used |= {path for notebook in known for path in (notebook, notebook.with_suffix(".ipynb"))}
    homes = {path.with_suffix("") for path in known}
    for path in below(folder, "**/*"):
        beside = not homes.isdisjoint(path.parents)
        if (
            path.suffix == ".py"
            and path not in known
            and (line := first_marker(path.read_text("utf-8", "replace")))
        ):
            reason = f"begins a cell in a file that nothing runs: a notebook is {PLACE}"
            yield Failure(path, line, reason, code="notebook-elsewhere")
        elif path in used or beside or path.relative_to(folder).as_posix() in SETTINGS:
            continue
        elif path.suffix == ".ipynb":
            reason = f"has no paired {path.stem}.py"
            yield Failure(path, 1, reason, code="pair-without-source")
        elif path.suffix != ".py":
            reason = f"nothing runs or checks it: a notebook is {PLACE}, its files beside it"
            yield Failure(path, 1, reason, code="unused-file")
        elif len(books) == len(known):
            reason = "no notebook imports it: nothing runs it"
            yield Failure(path, 1, reason, code="unused-module")
