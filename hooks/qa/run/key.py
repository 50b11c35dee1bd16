"""The name of a result: a digest of everything that it depends on, and of nothing else."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from qa.memo import digest_of
from qa.run import environment
from qa.run.notebook import Notebook


@cache
def _engine() -> str:
    """Digest of this package's code that runs notebooks, and of the shell it runs them in."""
    code = digest_of(
        [
            path
            for path in Path(__file__).parent.rglob("*")
            if path.is_file() and path.suffix != ".pyc"
        ]
    )
    kept = {
        "ipython": "",
        "markdown-it-py": "",
        "matplotlib-inline": "",
        "mdit-py-plugins": "",
        "nh3": "",
        "pillow": "",
    }
    return code + json.dumps(environment.with_requirements(kept))


def key_parts(notebook: Notebook) -> dict[str, Any]:
    """All that a result depends on, in JSON form.

    Markdown cells, comments between cells and the position of a cell in its file do not count, so
    touching prose never reruns code. All final scalars are stored, so neither does another `{{ }}`.
    """
    distributions = environment.imported_distributions(notebook.facts.modules)
    distributions |= environment.called_distributions(notebook.facts.words)
    return {
        "notebook": notebook.name,
        "engine": _engine(),
        "environment": environment.python(),
        "distributions": environment.with_requirements(distributions),
        "cells": [[cell.name, cell.source, cell.tags, cell.raises] for cell in notebook.code],
        "files": {
            name: hashlib.sha256(file.content).hexdigest() for name, file in notebook.files.items()
        },
        "seconds": notebook.seconds,
    }


def result_key(notebook: Notebook) -> str:
    """64 hexadecimal digits."""
    return hashlib.sha256(json.dumps(key_parts(notebook), sort_keys=True).encode()).hexdigest()
