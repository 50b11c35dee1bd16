"""The name of a result: a digest of everything that it depends on, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

from qa.examples import environment
from qa.examples.notebook import Notebook, imported_modules


@cache
def _engine() -> str:
    """Digest of this package's code that runs notebooks, and of the kernel it runs them in."""
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(__file__).parent.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    versions = environment.with_requirements({"ipykernel": "", "nh3": "", "pillow": ""})
    return digest.hexdigest() + json.dumps(versions)


def modules_of(notebook: Notebook) -> set[str]:
    """Modules that the notebook or one of its own modules imports."""
    companions = [
        p.read_text(encoding="utf-8") for p in notebook.files.values() if p.suffix == ".py"
    ]
    return imported_modules([cell.source for cell in notebook.code] + companions)


def result_key(notebook: Notebook) -> str:
    """64 hexadecimal digits.

    Markdown cells, comments between cells and the position of a cell in its file do not count, so
    touching prose never reruns code.
    """
    distributions = environment.imported_distributions(modules_of(notebook))
    parts = {
        "engine": _engine(),
        "environment": environment.python(),
        "distributions": environment.with_requirements(distributions),
        "cells": [[cell.name, cell.source, cell.tags] for cell in notebook.code],
        "files": {
            name: hashlib.sha256(path.read_bytes()).hexdigest()
            for name, path in notebook.files.items()
        },
        "seconds": notebook.seconds,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
