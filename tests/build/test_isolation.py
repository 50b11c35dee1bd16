"""A system that forbids user namespaces: refused, unless one setting allows it, which is said."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import mkdocs_build
from tests.project import SampleProject


def forget(sample: SampleProject) -> None:
    for path in (sample.root / ".cache/qa/results").iterdir():
        path.unlink()


def build(sample: SampleProject, **variables: str) -> subprocess.CompletedProcess[str]:
    """In a user namespace in which no further one may be made, as some systems are set up."""
    forbid = "echo 0 > /proc/sys/user/max_user_namespaces"
    unset = "" if "CI" in variables else "unset CI;"
    script = f"{forbid}; {unset} exec {mkdocs_build.BUILD}"
    return mkdocs_build.run_script(sample.root, script, **variables)


def test_a_build_without_isolation_warns_and_leaves_nothing(
    sample: SampleProject, tmp_path: Path
) -> None:
    forget(sample)
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    done = build(sample, TMPDIR=str(temporary), QA_WITHOUT_ISOLATION="1")
    assert done.returncode == 0, done.stderr
    assert "WARNING: examples run WITHOUT isolation" in done.stderr
    assert "new namespaces: " in done.stderr
    assert list(temporary.glob("qa-*")) == []
    assert "total 2" in sample.path("site/training/sum/index.html").read_text()


@pytest.mark.parametrize("fault", ["import os\nos._exit(3)", "total = 1 / 0"])
def test_faults_are_found_without_isolation_too(sample: SampleProject, fault: str) -> None:
    line = sample.replace("notebooks/training/sum.py", "import pandas as pd", fault)
    sample.sync()
    done = build(sample, QA_WITHOUT_ISOLATION="1")
    assert done.returncode == 1
    assert f'notebooks/training/sum.py:{line}: cell "table": ' in done.stderr


@pytest.mark.parametrize(
    "variables",
    [{}, {"CI": "true"}, {"CI": "1"}, {"CI": ""}, {"QA_WITHOUT_ISOLATION": ""}]
    + [{"QA_WITHOUT_ISOLATION": value} for value in ("0", "true", "no")],
    ids=str,
)
def test_it_is_refused(sample: SampleProject, variables: dict[str, str]) -> None:
    forget(sample)
    before = sample.path("site/index.html").read_bytes()
    done = build(sample, **variables)
    assert done.returncode == 1
    assert "examples cannot be isolated here: [Errno 28] new namespaces: " in done.stderr
    assert sample.path("site/index.html").read_bytes() == before


def test_a_result_made_without_isolation_serves_only_where_that_is_allowed(
    sample: SampleProject,
) -> None:
    forget(sample)
    assert build(sample, QA_WITHOUT_ISOLATION="1").returncode == 0
    again = build(sample, QA_WITHOUT_ISOLATION="1")
    assert "of which 0 ran now" in again.stderr
    assert "WARNING: results made WITHOUT isolation are used: training/sum" in again.stderr
    assert build(sample).returncode == 1, "it must run, and cannot"
    done = sample.build()
    assert "of which 1 ran now" in done.stderr
    done = sample.build()
    assert "WITHOUT" not in done.stderr
