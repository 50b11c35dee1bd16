"""What several kinds of tests need: a small project, and a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from qa.browser import ARGUMENTS, find
from tests import project
from tests.project import SampleProject


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where it is."""
    path = find()
    assert path, "no Chromium here: run python -m qa.browser, which installs one"
    return path


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


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
