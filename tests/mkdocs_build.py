"""The one way in which tests start MkDocs: the real command, in a project's folder."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

MKDOCS = (sys.executable, "-m", "mkdocs")
BUILD = shlex.join((*MKDOCS, "build"))
CHECK = shlex.join((sys.executable, "-m", "qa.cli", "check"))
"""For scripts."""
SECONDS = 300

LOCATED = re.compile(
    r"^(?P<place>[^\s:][^:\n]*:\d+): (?P<reason>.*) \[(?P<code>[\w-]*)\]$", re.MULTILINE
)
"""A line in which a failure is reported."""

Done = subprocess.CompletedProcess[str]


def failures(done: Done) -> list[str]:
    """`file:line: reason` of each failure, without its code."""
    return [f"{found['place']}: {found['reason']}" for found in LOCATED.finditer(done.stderr)]


def codes(done: Done) -> list[str]:
    """`file:line code` of each failure."""
    return [f"{found['place']} {found['code']}" for found in LOCATED.finditer(done.stderr)]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Ours and `variables`, but for what would change the words of a build."""
    kept = {name: value for name, value in os.environ.items() if name != "GITHUB_ACTIONS"}
    return kept | {"NO_MKDOCS_2_WARNING": "1"} | dict(variables)


def start(root: Path, *flags: str, **variables: str) -> subprocess.Popen[str]:
    """`variables` are added to the environment."""
    return subprocess.Popen(
        [*MKDOCS, "build", *flags],
        cwd=root,
        env=environment(variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def build(root: Path, *flags: str, **variables: str) -> Done:
    """To the end, for SECONDS at most."""
    with start(root, *flags, **variables) as process:
        try:
            stdout, stderr = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


def check(root: Path, **variables: str) -> Done:
    """`qa check`, which finds what a build finds."""
    return subprocess.run(
        shlex.split(CHECK),
        cwd=root,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )


def run_script(root: Path, script: str, *namespaces: str, **variables: str) -> Done:
    """A shell script, in which BUILD builds, as root of a user namespace, and of those of
    `namespaces` (flags of unshare): there disks can be mounted without being root."""
    return subprocess.run(
        ["unshare", "--map-root-user", *namespaces, "sh", "-ec", script],
        cwd=root,
        env=environment(variables),
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
