"""The name of a result: a digest of everything that it depends on, and of nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from qa.examples import environment
from qa.examples.notebook import Notebook, imported_modules, parse


@cache
def _engine() -> str:
    """Digest of this package's code that runs notebooks, and of the kernel it runs them in."""
    digest = hashlib.sha256()
    for path in sorted(p for p in Path(__file__).parent.iterdir() if p.is_file()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    kept = {"ipython": "", "matplotlib-inline": "", "nh3": "", "pillow": ""}
    versions = environment.with_requirements(kept)
    return digest.hexdigest() + json.dumps(versions)


def _sources(notebook: Notebook) -> list[str]:
    """The code of the notebook and of its own modules."""
    modules = [file for name, file in notebook.files.items() if name.endswith(".py")]
    own = [file.content.decode() for file in modules]
    return [cell.source for cell in notebook.code] + own


def modules_of(notebook: Notebook) -> set[str]:
    """Modules that the notebook or one of its own modules imports."""
    return imported_modules(_sources(notebook))


def imports_of(notebook: Notebook) -> list[str]:
    """Full names of the installed modules that the notebook or its own modules import, in order."""
    installed = environment.installed_modules()
    names: dict[str, None] = {}
    for source in _sources(notebook):
        for node in ast.walk(parse(source)):
            if isinstance(node, ast.Import):
                found = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found = [node.module]
            else:
                continue
            names |= {name: None for name in found if name.partition(".")[0] in installed}
    return list(names)


def _strings_of(notebook: Notebook) -> list[str]:
    """Text in the code, magics included: the programs that it calls are named there."""
    nodes = [node for source in _sources(notebook) for node in ast.walk(parse(source))]
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str)]


def key_parts(notebook: Notebook) -> dict[str, Any]:
    """All that a result depends on, in JSON form.

    Markdown cells, comments between cells and the position of a cell in its file do not count, so
    touching prose never reruns code. All final scalars are stored, so neither does another `{{ }}`.
    """
    distributions = environment.imported_distributions(modules_of(notebook))
    distributions |= environment.called_distributions(_strings_of(notebook))
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
