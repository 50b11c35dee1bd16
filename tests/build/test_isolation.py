"""A system that forbids user namespaces: said aloud on a desk, refused in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project import SampleProject

FORBID = "echo 0 > /proc/sys/user/max_user_namespaces && exec "


def build(sample: SampleProject, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a user namespace in which no further one may be made, as some systems are set up."""
    for path in (sample.root / ".cache/qa/results").iterdir():
        path.unlink()
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        ["unshare", "--map-root-user", "sh", "-c", f"{FORBID}{sys.executable} -m mkdocs build"],
        cwd=sample.root,
        env=environment | {"NO_MKDOCS_2_WARNING": "1"} | variables,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_a_build_without_isolation_warns_and_leaves_nothing(
    sample: SampleProject, tmp_path: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = build(sample, TMPDIR=str(temporary))
    assert done.returncode == 0, done.stderr
    assert "WARNING: examples run WITHOUT isolation" in done.stderr
    assert "new namespaces: " in done.stderr
    assert list(temporary.glob("qa-*")) == []
    assert "total 2" in sample.path("site/training/sum/index.html").read_text()


@pytest.mark.parametrize("fault", ["import os\nos._exit(3)", "total = 1 / 0"])
def test_faults_are_found_without_isolation_too(sample: SampleProject, fault: str) -> None:
    line = sample.replace("notebooks/training/sum.py", "import pandas as pd", fault)
    sample.sync()
    done = build(sample)
    assert done.returncode == 1
    assert f'notebooks/training/sum.py:{line}: cell "table": ' in done.stderr


def test_ci_refuses_to_run_without_isolation(sample: SampleProject) -> None:
    before = sample.path("site/index.html").read_bytes()
    done = build(sample, CI="true")
    assert done.returncode == 1
    assert (
        "CI refuses to run examples without isolation: [Errno 28] new namespaces: " in done.stderr
    )
    assert sample.path("site/index.html").read_bytes() == before
