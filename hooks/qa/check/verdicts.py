"""What checkers said of texts, remembered by all that a verdict depends on."""

from __future__ import annotations

import platform
from dataclasses import asdict

from qa.check.checker import Checker
from qa.failures import Problem
from qa.memo import Memo
from qa.run import environment


class Verdicts:
    """`memo` must belong to the code of this package."""

    def __init__(self, memo: Memo):
        self.memo = memo

    def check(self, checker: Checker, text: str) -> list[Problem]:
        """As `checker.check`, which is asked only about what it has not seen before."""
        versions = environment.installed().versions
        known = [f"{name} {versions.get(name.lower())}" for name in checker.distributions]
        name = " ".join([checker.name, platform.python_version(), *known])
        found = self.memo.get(name, text, lambda: [asdict(p) for p in checker.check(text)])
        return [Problem(**problem) for problem in found]
