from pathlib import Path

import pytest

from tests import project
from tests.project import SampleProject


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> SampleProject:
    """The sample project without a fault, built once; tests copy it rather than change it."""
    sample = project.make(tmp_path_factory.mktemp("built"))
    done = sample.build()
    assert done.returncode == 0, done.stderr
    return sample


@pytest.fixture
def sample(built: SampleProject, tmp_path: Path) -> SampleProject:
    """A copy of the built project, results and site included, to plant faults in."""
    return built.copy_to(tmp_path / "project")
