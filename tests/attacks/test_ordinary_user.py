"""The builder may be root or anybody: for an ordinary user, too, all attacks fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
USER, GROUP = "nobody", "nogroup"
COMMAND = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests/attacks"]
DROP = ["setpriv", f"--reuid={USER}", f"--regid={GROUP}", "--clear-groups"]


@pytest.fixture
def home() -> Iterator[Path]:
    """The user's own folder, which pytest's are not."""
    with tempfile.TemporaryDirectory(prefix="qa-user-") as folder:
        shutil.chown(folder, USER, GROUP)
        yield Path(folder)


def closed_above(place: Path) -> Path | None:
    """The outermost folder on the way to `place` that others cannot enter, such as /root."""
    parents = reversed(place.parents)
    return next((folder for folder in parents if not folder.stat().st_mode & 0o001), None)


def opening(folder: Path) -> str:
    """Shell commands that let the user reach code that lies in closed folders: these are covered,
    in a mount namespace of the commands' own."""
    places = [REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)]
    hidden = {place: closed for place in places if (closed := closed_above(place))}
    kept = {place: folder / str(number) for number, place in enumerate(hidden)}
    lines = [f"mkdir -p {copy} && mount --rbind {place} {copy}" for place, copy in kept.items()]
    lines += [f"mount -t tmpfs -o mode=755 none {closed}" for closed in set(hidden.values())]
    lines += [f"mkdir -p {place} && mount --rbind {copy} {place}" for place, copy in kept.items()]
    return "\n".join(["set -e", *lines, f"cd {REPOSITORY}", 'exec "$@"'])


@pytest.mark.alone
@pytest.mark.skipif(os.geteuid() != 0, reason="this run is an ordinary user's")
def test_attacks_fail_for_an_ordinary_user(home: Path, tmp_path: Path) -> None:
    script = ["unshare", "--mount", "bash", "-c", opening(tmp_path), "bash"]
    environment = os.environ | {"HOME": str(home), "TMPDIR": str(home)}
    for chosen in (["-m", "not alone", "-n", "2"], ["-m", "alone"]):
        command = [*script, *DROP, *COMMAND, *chosen]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
