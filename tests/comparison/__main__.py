"""Who catches what: the canaries through this site's engine and through others; `make compare`.

With names of canaries only these are measured again, and the end of each message is shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import psutil
import yaml

from qa.printable import printable
from qa.run import environment
from qa.run.inside import sandbox
from tests.comparison.contestants import OTHERS, PACKAGES, ROOT, takes
from tests.comparison.faults import Fault, find

TABLE = ROOT / "docs/comparison.yml"
SECONDS, OUTPUT, MEMORY = 60, 50 << 20, 4 << 30
"""The comparison's own limits: bytes of what is printed, bytes of all processes together."""
TICK = 0.1


def run(tool: str, canary: str) -> tuple[int | None, str]:
    """Exit status, None if it had to be stopped, and what was printed, without colours."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.comparison.contestants", tool, canary],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
        try:
            status = _watch(process, output.fileno())
        finally:
            _end_all()
        output.seek(0)
        return status, printable(output.read(OUTPUT).decode(errors="replace"))


def _watch(process: subprocess.Popen[bytes], output: int) -> int | None:
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        with suppress(subprocess.TimeoutExpired):
            return process.wait(TICK)
        if os.fstat(output).st_size > OUTPUT or _memory() > MEMORY:
            return None
    return None


def _memory() -> int:
    """Bytes that all processes below this one hold."""
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _end_all() -> None:
    """This process is the parent of all orphans, so nothing escapes."""
    while found := psutil.Process().children(recursive=True):
        for process in found:
            with suppress(psutil.Error):
                process.kill()
        psutil.wait_procs(found, 1)


def outcome(tool: str, canary: str, fault: Fault, report: bool) -> str:
    status, message = run(tool, canary)
    if report:
        print(f"--- {tool} on {canary}: {status}\n{message[-1500:]}")
    if status is None:
        return "stopped"
    if status == 0:
        return "passes"
    if fault.code != "syntax" and not takes(tool, canary):
        return "refused"
    return "located" if fault.is_located(message) else "caught"


def main(names: list[str]) -> None:
    sandbox.adopt_orphans()
    tools = ("qa", *OTHERS)
    for tool in tools:
        status, message = run(tool, "fault-free")
        if status != 0:
            sys.exit(f"{tool} does not pass what has no fault:\n{message}")
    sys.path.insert(0, str(PACKAGES))
    versions = {tool: version(tool) for tool in OTHERS}
    old: dict[str, Any] = {"versions": versions}
    if names:
        old = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    if old["versions"] != versions:
        sys.exit(f"{TABLE.name} is of other versions: measure all")
    canaries = old.get("canaries", {})
    for name, fault in find().items():
        if name in (names or [name]):
            canaries[name] = {tool: outcome(tool, name, fault, bool(names)) for tool in tools}
            print(f"{name}: {', '.join(canaries[name].values())}", flush=True)
    table = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": environment.python()["python"],
        "versions": versions,
        "canaries": dict(sorted(canaries.items())),
    }
    text = yaml.safe_dump(table, default_flow_style=None, sort_keys=False, width=200)
    TABLE.write_text(f"# Measured by `make compare`; do not edit.\n{text}", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
