"""How many entries a second: the audit log inside each transaction, or beside it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import audit
import psycopg
from books import post
from psycopg.conninfo import make_conninfo

COMMIT, EACH = 0.010, 8  # seconds a commit takes; entries a writer


def set_up(dsn: str, owner: psycopg.Connection, writers: int) -> None:
    owner.execute("CREATE TABLE chain_head (hash bytea NOT NULL)")
    owner.execute("INSERT INTO chain_head VALUES (%s)", (bytes(32),))
    owner.execute("GRANT SELECT, UPDATE ON chain_head TO billing_app")
    for i in range(writers):
        account = f"wallet:writer-{i}"
        owner.execute("INSERT INTO account VALUES (%s, 'USD', 'liability')", (account,))
        owner.execute("INSERT INTO wallet (account) VALUES (%s)", (account,))
    settings = "commit_delay, commit_siblings"
    owner.execute(f"GRANT SET ON PARAMETER {settings} TO billing_app, sealer")
    entries_per_second(dsn, writers, "warm-up")


def connect(dsn: str, role: str) -> psycopg.Connection:
    """As if each commit waited for a replica; those that wait together share the wait."""
    slow = f"-c commit_siblings=0 -c commit_delay={COMMIT * 1e6:.0f}"
    return psycopg.connect(make_conninfo(dsn, user=role, options=slow), autocommit=True)


def entries_per_second(dsn: str, writers: int, mode: str) -> float:
    ready, done = threading.Barrier(writers + 1, timeout=30), threading.Event()

    def write(i: int) -> None:
        lines = {"processor": 10, f"wallet:writer-{i}": -10}
        with connect(dsn, "billing_app") as own:
            ready.wait()
            for n in range(EACH):
                ref = f"{mode}/{writers}/{i}/{n}"
                with own.transaction():
                    post(own, "bench", ref, date(2026, 6, 9), lines)
                    if mode == "chained":
                        # The head is one row. Locked last, but until the commit is done.
                        step = "UPDATE chain_head SET hash = sha256(hash || %s)"
                        own.execute(step, (ref.encode(),))

    def seal_often() -> None:
        with connect(dsn, "sealer") as own:
            while not done.wait(0.05):
                audit.seal(own)
            audit.seal(own)

    with ThreadPoolExecutor(writers + 1) as pool:
        writing = [pool.submit(write, i) for i in range(writers)]
        sealing = [pool.submit(seal_often)] if mode == "sealed" else []
        ready.wait()
        begin = time.perf_counter()
        try:
            [future.result() for future in writing]  # raises what a writer raised
        finally:
            done.set()
        [future.result() for future in sealing]
        return writers * EACH / (time.perf_counter() - begin)
