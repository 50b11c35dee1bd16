"""The module that starts a PostgreSQL server for notebooks and for SQL on pages."""

import runpy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from qa.run.notebook import LENT

MODULE = LENT / "local_postgres.py"


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty folder that a server which drops root's rights can reach; pytest's are closed."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_databases_are_there_until_the_server_stops(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    start_postgres = runpy.run_path(str(MODULE))["start_postgres"]
    addresses, stop = start_postgres("one", "two")
    for name, address in zip(("one", "two"), addresses, strict=True):
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
    stop()
    assert list(folder.iterdir()) == []
    assert not [p for p in psutil.Process().children(recursive=True) if p.name() == "postgres"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(addresses[0])
