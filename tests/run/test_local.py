"""The server that runs examples on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import local
from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.report import run


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("raise SystemExit('the disk is full')", "the disk is full"),
        ("import os\nos._exit(7)", "exit status 7"),
        ("import os\nos.abort()", "exit status -6"),
    ],
)
def test_a_server_that_cannot_start_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, said: str
) -> None:
    (tmp_path / "broken.py").write_text(code)
    monkeypatch.setattr(local, "SERVER", "broken")
    monkeypatch.setattr(local, "variables", lambda *_: {"PYTHONPATH": str(tmp_path)})
    server = LocalServer(tmp_path / "cache")
    for _ in range(2):
        with pytest.raises(Failures) as caught:
            server.isolation_problem()
        (failure,) = caught.value.failures
        assert failure.reason == f"the server that runs examples does not start: {said}"
        assert failure.code == "server-does-not-start"
    server.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    server = LocalServer(tmp_path / "cache")
    yield server
    server.close()


def test_a_server_that_dies_is_started_again(server: LocalServer, tmp_path: Path) -> None:
    path = tmp_path / "notebooks" / "training" / "sum.py"
    path.parent.mkdir(parents=True)
    path.write_text('# %% name="sum"\nx = 1\nassert x\n')
    book = notebooks.read(path)
    assert run(book, server).values == {"x": 1}
    (process,) = server.processes()
    process.kill()
    process.wait()
    assert run(book, server).values == {"x": 1}
