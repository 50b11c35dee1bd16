"""Of which notebooks all mutants are known to be caught, and in which order those are tried again.

To find it out takes minutes for many pages, so it is kept beside the notebook, for other machines
too. It holds for as long as the notebook, its files, modules and mutants and the versions of the
packages it uses stay as they are. A file can say anything: so those are tried again for as long as
there is time, in an order that is another each day.
"""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterable
from pathlib import Path

from qa import files as disk
from qa.failures import Failures
from qa.run import mutants
from qa.run.environment import imported_distributions, with_requirements
from qa.run.key import digest, essence, own_parts
from qa.run.notebook import CAUGHT, MUTANTS, Notebook


def known(notebook: Notebook) -> bool:
    """Whether all its mutants were caught in this very version."""
    try:
        return bool(tomllib.loads(disk.read_text(_path(notebook)))["version"] == _version(notebook))
    except (Failures, ValueError, LookupError):
        return False  # never tried, or somebody else wrote the file


def keep(notebook: Notebook, count: int) -> None:
    """Write it beside the notebook, if it is not written there."""
    if not known(notebook):
        text = f'version = "{_version(notebook)}"\ncaught = {count}\n'
        head = f"# Written by `qa mutate {notebook.name}`, when all were caught.\n"
        disk.write_whole(_path(notebook), head + text)


def in_turn(names: Iterable[str], day: datetime.date) -> list[str]:
    """Another order each day, so that in the end each comes early."""
    return sorted(names, key=lambda name: digest([name, day.isoformat()]))


def _path(notebook: Notebook) -> Path:
    return notebook.path.with_suffix("") / CAUGHT


def _version(notebook: Notebook) -> str:
    """Of all that it depends on but the machine."""
    planted = disk.read_text(notebook.path.with_suffix("") / MUTANTS)
    used = with_requirements(imported_distributions(notebook.mentions.modules))
    ways = essence(Path(mutants.__file__).read_text(encoding="utf-8"))
    return digest([own_parts(notebook), planted, used, ways])
