"""The module that starts a PostgreSQL server for the notebooks of the billing theme."""

import runpy
from pathlib import Path

import psutil
import psycopg
import pytest

MODULE = Path(__file__).parents[2] / "notebooks" / "billing" / "local_postgres.py"


def test_databases_are_there_until_the_server_stops(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The server drops root's rights and must reach its data through pytest's closed folders.
    for folder in (tmp_path, *list(tmp_path.parents)[:2]):
        folder.chmod(0o711)
    monkeypatch.chdir(tmp_path)
    start_postgres = runpy.run_path(str(MODULE))["start_postgres"]
    addresses, stop = start_postgres("one", "two")
    for name, address in zip(("one", "two"), addresses, strict=True):
        with psycopg.connect(address) as connection:
            assert connection.execute("SELECT current_database()").fetchone() == (name,)
    stop()
    assert list(tmp_path.iterdir()) == []
    assert not [p for p in psutil.Process().children(recursive=True) if p.name() == "postgres"]
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(addresses[0])
