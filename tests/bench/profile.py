"""Where the time goes that is not the examples' own: `make bench ARGS=--profile`."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from qa.prepare import prepare
from qa.project import Project
from qa.run import report as runs
from qa.run.protocol import FromSupervisor
from qa.run.runs import run_all
from tests.bench.builds import ROOT
from tests.bench.contestants import read

IMPORT = re.compile(r"^import time: +\d+ \| +(\d+) \| +(\S+)$", re.M)
PROGRAM = """\
import mkdocs.commands.build, mkdocs_static_i18n, material, cProfile, pathlib
from qa.prepare import prepare
from qa.project import Project
cProfile.run("prepare(Project(pathlib.Path.cwd()))", sort="cumulative")
"""
TOP = 20


def warm() -> None:
    """Imports and functions of `prepare` when nothing changed, each with all that it calls."""
    prepare(Project(ROOT))  # so that nothing is missing
    command = [sys.executable, "-X", "importtime", "-c", PROGRAM]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = [(int(total), name) for total, name in IMPORT.findall(done.stderr)]
    after = [name for _, name in found].index("material") + 1
    print("Imports beside those of MkDocs (ms, with all that each imports):")
    for total, name in sorted(found[after:], reverse=True)[:TOP]:
        print(f"  {total / 1000:7.1f}  {name}")
    print("prepare, nothing changed (a profile about doubles the time):")
    print("\n".join(done.stdout.splitlines()[: 2 * TOP]))


def cold(folder: Path) -> None:
    """Seconds of the stages of all runs of `folder`, each named by the message that ends it.

    Before the first `Starts` are fork, sandbox and imports that were not there yet.
    """
    stages: dict[str, list[float]] = defaultdict(list)
    original = runs.messages

    def timed(connection: socket.socket) -> Iterator[FromSupervisor]:
        last = time.perf_counter()
        for message in original(connection):
            own = getattr(message, "seconds", 0.0)
            stages["cells"].append(own)
            name = f"{type(message).__name__} {getattr(message, 'cell', '')}"
            stages[name].append(time.perf_counter() - last - own)
            last = time.perf_counter()
            yield message

    runs.messages = timed
    with tempfile.TemporaryDirectory() as cache:
        run_all(read(folder), Path(cache))
    runs.messages = original
    print("A cold run; its stages (seconds):")
    for name, values in stages.items():
        print(
            f"  {name:14} {sum(values):7.2f}  median {median(values):6.3f}  max {max(values):6.3f}"
        )
