"""Requests that need a database connection for a moment: one of their own, or one of a few."""

import queue
import statistics
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import psycopg
from local_postgres import start_postgres


class Database:
    """PostgreSQL that grants the role `app` at most `limit` connections."""

    def __init__(self, limit: int, shared: int) -> None:
        (address,), self._stop = start_postgres("usage")
        with psycopg.connect(address, autocommit=True) as admin:
            admin.execute(f"CREATE ROLE app LOGIN CONNECTION LIMIT {limit}")
        self.address = address.replace("user=postgres", "user=app")
        self.shared = shared
        self.pool: queue.Queue[psycopg.Connection] = queue.Queue()

    def own(self, everyone_is_there: Callable[[], object]) -> bool:
        try:
            with psycopg.connect(self.address) as connection:
                everyone_is_there()
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.OperationalError:
            everyone_is_there()
            return False

    def pooled(self, everyone_is_there: Callable[[], object]) -> bool:
        everyone_is_there()
        connection = self.pool.get()
        try:
            return connection.execute("SELECT 1").fetchone() == (1,)
        finally:
            self.pool.put(connection)

    def open_pool(self) -> None:
        for _ in range(self.shared):
            self.pool.put(psycopg.connect(self.address, autocommit=True))

    def close(self) -> None:
        while not self.pool.empty():
            self.pool.get().close()
        self._stop()


def served_at_once(request: Callable[..., bool], clients: int) -> int:
    gate = threading.Barrier(clients, timeout=30)
    with ThreadPoolExecutor(clients) as threads:
        return sum(threads.map(request, [gate.wait] * clients))


def milliseconds(request: Callable[..., bool], times: int = 21) -> float:
    """Median of what one request takes."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        request(lambda: None)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1e3
