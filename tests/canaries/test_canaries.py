"""One fault each, in a minimal project: the build goes red and names it at the author's own line.

A canary is a folder with the files in which it differs from `fault-free`, and `expected.txt`: the
places and codes of all that its build and `qa check` find. Its name says the fault.
"""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from qa.run import notebook as notebooks
from tests import mkdocs_build
from tests.mkdocs_build import codes
from qa.failures import Failures

HERE = Path(__file__).parent
HOOKS = HERE.parents[1] / "hooks" / "main.py"
CANARIES = sorted(path.parent.name for path in HERE.glob("*/expected.txt"))


def make(name: str, root: Path) -> None:
    """The project of a canary, its pairs in sync unless the canary brings its own."""
    shutil.copytree(HERE / "fault-free", root)
    shutil.copytree(HERE / name, root, dirs_exist_ok=True)
    for path in notebooks.find(root / "notebooks"):
        if not path.with_suffix(".ipynb").exists():
            try:
                notebooks.write_pair(notebooks.read(path))
            except Failures:
                continue  # it cannot be read, which is its fault


def build(root: Path) -> mkdocs_build.Done:
    return mkdocs_build.build(root, "-q", QA_HOOKS=str(HOOKS))


@pytest.mark.parametrize("name", CANARIES)
def test_canary(name: str, tmp_path: Path) -> None:
    make(name, tmp_path / name)
    # At once, for some canaries wait for their time to be over.
    with ThreadPoolExecutor(1) as beside:
        checking = beside.submit(mkdocs_build.check, tmp_path / name, QA_HOOKS=str(HOOKS))
        done = build(tmp_path / name)
    checked = checking.result()
    assert codes(checked) == codes(done)
    assert checked.returncode == 1
    assert codes(done) == (HERE / name / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert done.returncode == 1
    assert not (tmp_path / name / "site").exists()


def test_a_project_without_fault_builds(tmp_path: Path) -> None:
    make("fault-free", tmp_path / "project")
    done = build(tmp_path / "project")
    assert done.returncode == 0, done.stderr
    assert "total 2" in (tmp_path / "project/site/zh/training/sum/index.html").read_text()
