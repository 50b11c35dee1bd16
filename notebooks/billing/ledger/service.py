"""The database of the page, with its three ways in."""

from collections.abc import Callable
from pathlib import Path

import audit
import month
import psycopg
from local_postgres import start_postgres
from psycopg.conninfo import make_conninfo


class Service:
    """`admin` is a superuser, `app` the service itself, `sealer` keeps the audit log."""

    def __init__(self) -> None:
        [dsn], self._stop = start_postgres("ledger")
        self.address = make_conninfo(dsn, user="billing_app")
        self.admin = psycopg.connect(dsn, autocommit=True)
        self.admin.execute(Path("schema.sql").read_text())
        self.app = self.connect()
        self.sealer = psycopg.connect(
            make_conninfo(dsn, user="sealer"), autocommit=True
        )
        month.open_books(self.admin, self.app)

    def connect(self, autocommit: bool = True) -> psycopg.Connection:
        return psycopg.connect(self.address, autocommit=autocommit)

    def seal_around_a_slow_entry(self) -> tuple[int, int]:
        """How many entries are sealed before, and after, one commits that was numbered earlier."""
        audit.seal(self.sealer)
        with self.connect(autocommit=False) as slow:
            month.top_up(slow, "pay-cy-2", "cy", month.JUNE, 100 * month.DOLLAR)
            month.top_up(self.app, "pay-dee-2", "dee", month.JUNE, 100 * month.DOLLAR)
            before = audit.seal(self.sealer)
        return before, audit.seal(self.sealer)

    def hear_holds(self, hold: Callable[[], int]) -> list[str]:
        """The notices that the database delivers of what `hold` does; it returns how many."""
        with self.connect() as listener:
            listener.execute("LISTEN billing")
            count = hold()
            return [a.payload for a in listener.notifies(timeout=5, stop_after=count)]

    def stop(self) -> None:
        for connection in (self.app, self.sealer, self.admin):
            connection.close()
        self._stop()
