"""The name of a result: a digest of everything that it depends on, and of nothing else."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from qa.run import environment
from qa.run.notebook import Notebook

PACKAGE = Path(__file__).parents[1]
BESIDE = ("run/protocol.py", "printable.py")
"""What the code in `run/inside` imports of the rest."""
DISTRIBUTIONS = (
    *("ipython", "markdown-it-py", "matplotlib-inline", "mdit-py-plugins", "nh3", "pillow"),
)
"""Those whose version can show in a result whatever the example imports."""


@cache
def engine(package: Path = PACKAGE) -> str:
    """Digest of the engine, the package `qa`, as far as it runs in the sandbox."""
    digest = hashlib.sha256()
    inside = [path for path in (package / "run/inside").iterdir() if path.is_file()]
    for path in sorted([*inside, *(package / name for name in BESIDE)]):
        content = path.read_bytes()
        said = essence(content.decode()) if path.suffix == ".py" else content.hex()
        digest.update(f"{path.name}\0{said}\0".encode())
    return digest.hexdigest()


class _Silent(ast.NodeTransformer):
    """Takes out docstrings, and strings behind what they explain."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        said = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if said else node


def essence(source: str) -> str:
    """Python without comments and docstrings, and wherever it stands."""
    return ast.dump(_Silent().visit(ast.parse(source)))


def own_parts(notebook: Notebook) -> dict[str, Any]:
    """What its authors wrote of all that a result depends on, the same on every machine.

    Markdown cells, comments between cells and the position of a cell in its file do not count, so
    touching prose never reruns code. All final scalars are stored, so neither does another `{{ }}`.
    """
    return {
        "notebook": notebook.name,
        "cells": [
            [cell.name, cell.source, cell.tags, cell.raises, cell.flips] for cell in notebook.code
        ],
        "files": {
            name: hashlib.sha256(file.content).hexdigest() for name, file in notebook.files.items()
        },
    }


def key_parts(notebook: Notebook, isolated: bool = True) -> dict[str, Any]:
    """All that a result depends on, in JSON form. `isolated`: whether it ran shut in."""
    distributions = environment.imported_distributions(notebook.mentions.modules)
    distributions |= environment.called_distributions(notebook.mentions.words)
    shown = environment.with_requirements(dict.fromkeys(DISTRIBUTIONS, ""))
    return own_parts(notebook) | {
        "engine": engine(),
        "isolated": isolated,
        "environment": environment.python(),
        "distributions": shown | environment.with_requirements(distributions),
        "seconds": notebook.seconds,
    }


def result_key(notebook: Notebook, isolated: bool = True) -> str:
    """64 hexadecimal digits."""
    return digest(key_parts(notebook, isolated))


def digest(parts: object) -> str:
    """Of what has a JSON form."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
