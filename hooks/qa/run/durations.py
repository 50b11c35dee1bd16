"""How long each notebook took when it last ran here: the longest begin first, so that none is
still running alone when all others are done."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from qa.files import write_whole
from qa.run.notebook import Notebook
from qa.run.store import Result


def _read(file: Path) -> dict[str, float]:
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}  # it only orders


def longest_first(notebooks: Iterable[Notebook], file: Path) -> list[Notebook]:
    """Those never seen are taken to need all the time that they may."""
    known = _read(file)
    return sorted(notebooks, key=lambda book: known.get(book.name, book.seconds), reverse=True)


def note(results: Iterable[Result], file: Path) -> None:
    known = _read(file) | {result.notebook: result.seconds for result in results}
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, json.dumps(known, sort_keys=True, indent=0) + os.linesep)
