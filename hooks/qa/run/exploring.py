"""How many faults that nobody wrote make a notebook fail, and which do not.

What was found is kept beside the notebook, for readers and reviewers. It holds for as long as the
notebook, its files and modules, and the ways to break them, stay as they are; on any machine, since
it takes minutes to find out.
"""

from __future__ import annotations

import json
import math
import tomllib
from dataclasses import dataclass, replace
from pathlib import Path

from qa import files as disk
from qa.failures import Failures
from qa.run import faults, runs
from qa.run.faults import MOST, Planted
from qa.run.key import digest, essence, own_parts
from qa.run.notebook import EXPLORED, Notebook
from qa.run.trials import try_all


@dataclass(frozen=True)
class Proof:
    """What is known of a notebook's asserts: `caught` of `planted` faults made it fail; none were
    planted in this version of it if that is 0. `written` are the mutants of its authors, all of
    which its asserts catch.
    """

    written: int = 0
    planted: int = 0
    caught: int = 0


def explore(notebook: Notebook, folder: Path, most: int = MOST) -> tuple[int, list[Planted]]:
    """How many faults were planted, one in a run, and those that no run noticed.

    `folder` is the cache, which remembers outcomes. Raises Failures if the notebook itself fails.
    """
    good = runs.run_all([notebook], folder)
    if good.failures:
        raise Failures(good.failures)
    # A fault that makes it run on and on is noticed early.
    needed = 1 + math.ceil(good.results[notebook.name].processor_seconds)
    planted = faults.draw(notebook, most)
    broken = [
        replace(faults.plant(notebook, each), seconds=min(needed, notebook.seconds))
        for each in planted
    ]
    found = try_all(broken, folder)
    return len(planted), [each for each, seen in zip(planted, found, strict=True) if not seen]


def keep(notebook: Notebook, planted: int, alive: list[Planted]) -> list[str]:
    """Write it beside the notebook; returns the survivors, a line each."""
    lines = [_line(notebook, each) for each in alive]
    text = [
        f"# Written by `qa mutate --explore {notebook.name}`.",
        f'version = "{_version(notebook)}"',
        f"planted = {planted}",
        f"caught = {planted - len(alive)}",
        "survivors = [",
        *(f"    {json.dumps(line, ensure_ascii=False)}," for line in lines),
        "]",
    ]
    path = _path(notebook)
    path.parent.mkdir(exist_ok=True)
    disk.write_whole(path, "\n".join(text) + "\n")
    return lines


def proof(notebook: Notebook, written: int) -> Proof:
    """With what is kept, if it is of this very version."""
    try:
        kept = tomllib.loads(disk.read_text(_path(notebook)))
        if kept["version"] == _version(notebook):
            return Proof(written, int(kept["planted"]), int(kept["caught"]))
    except (Failures, ValueError, LookupError, TypeError):
        pass  # it was never explored, or somebody else wrote the file
    return Proof(written)


def _line(notebook: Notebook, planted: Planted) -> str:
    path, line = faults.where(notebook, planted)
    was, becomes = (" ".join(text.split()) for text in (planted.was, planted.text))
    return f"{path.name}:{line}: {was} -> {becomes}"


def _path(notebook: Notebook) -> Path:
    return notebook.path.with_suffix("") / EXPLORED


def _version(notebook: Notebook) -> str:
    """Of all that it depends on but the machine and its packages."""
    ways = essence(Path(faults.__file__).read_text(encoding="utf-8"))
    return digest([own_parts(notebook), ways])
