"""Texts that passed their check, remembered by all that the verdict depends on."""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from functools import cache
from pathlib import Path

from qa.fences.checker import Checker, Problem


@cache
def _own_code() -> bytes:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.digest()


@cache
def _version(distribution: str) -> str:
    return importlib.metadata.version(distribution)


class Verdicts:
    """One empty file for each passed text; a fault is never stored."""

    def __init__(self, folder: Path):
        self.folder = folder

    def check(self, checker: Checker, text: str) -> list[Problem]:
        """As `checker.check`, which is asked only about what it has not passed before."""
        versions = [f"{name} {_version(name)}" for name in checker.distributions]
        parts = [checker.name, platform.python_version(), *versions, text]
        digest = hashlib.sha256(_own_code() + "\0".join(parts).encode()).hexdigest()
        passed = self.folder / digest
        if passed.exists():
            return []
        problems = checker.check(text)
        if not problems:
            self.folder.mkdir(parents=True, exist_ok=True)
            passed.touch()
        return problems
