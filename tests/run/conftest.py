"""A warm server, and a way to run code as the cells of a notebook."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.report import run
from qa.run.store import Result

Runner = Callable[..., Result]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    server = LocalServer(tmp_path_factory.mktemp("cache"))
    yield server
    server.close()


@pytest.fixture
def cells(server: LocalServer, tmp_path: Path) -> Runner:
    """Runs sources as the cells `c0`, `c1`, ... of one notebook."""

    def run_cells(*sources: str) -> Result:
        path = tmp_path / "notebooks" / "training" / "cells.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = [f'# %% name="c{n}"\n{source}\n' for n, source in enumerate(sources)]
        path.write_text("\n".join([*texts, '# %% name="end"\nassert __name__\n']))
        return run(notebooks.read(path), server)

    return run_cells
