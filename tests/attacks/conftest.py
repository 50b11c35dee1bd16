"""What all attacks need: a server whose builder has a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qa.run.local import LocalServer
from tests.attacks.attack import SECRET, Attack


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("QA_SECRET", SECRET)
        server = LocalServer(tmp_path_factory.mktemp("cache"))
        assert server.isolation_problem() == ""
        yield server
        server.close()


@pytest.fixture
def attack(server: LocalServer, tmp_path: Path) -> Attack:
    return Attack(server, tmp_path)
