"""PostgreSQL, our endpoint, the provider, workers that get killed."""

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pandas as pd
import psycopg
import uvicorn
import wallets
from endpoint import endpoint
from local_postgres import start_postgres
from money import DOLLAR
from provider import Clock, Provider


class Server:
    """An application on a port of its own; until started, the port refuses connections."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"

    def start(self, app) -> None:
        config = uvicorn.Config(app, log_level="error", lifespan="off")
        self.uvicorn = uvicorn.Server(config)
        sockets = {"sockets": [self.socket]}
        self.thread = threading.Thread(
            target=self.uvicorn.run, kwargs=sockets, daemon=True
        )
        self.thread.start()
        while not self.uvicorn.started:
            time.sleep(0.005)

    def stop(self) -> None:
        self.uvicorn.should_exit = True
        self.thread.join()
        self.socket.close()


class Stack:
    """The database, the provider, and our endpoint, which `open` starts."""

    def __init__(self, secret: str) -> None:
        (self.dsn, lab), self.stop_postgres = start_postgres("billing", "lab")
        self.db = self.connect()
        self.lab = psycopg.connect(lab, autocommit=True)  # for what has no provider
        for connection in (self.db, self.lab):
            connection.execute(Path("schema.sql").read_text())
        self.clock, self.ours, self.theirs = Clock(), Server(), Server()
        hook = f"{self.ours.url}/webhooks/payments"
        self.provider = Provider(self.clock, secret, hook)
        self.theirs.start(self.provider.app)
        self.api = httpx.Client(base_url=self.theirs.url)
        self.browser = httpx.Client(base_url=self.ours.url)
        self.inbox = self.connect()  # production: a pool
        self.app = endpoint(self.inbox, [secret], self.clock)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def open(self) -> None:
        self.ours.start(self.app)

    def one(self, query: str, *values: object) -> object:
        return self.db.execute(query, values or None).fetchone()[0]

    def pay(self, payment: str, cents: int = 2_000, **options: object) -> str:
        """One top-up, into a wallet of its own that bears the same name."""
        wallets.create(self.db, payment, payment, cents)
        return wallets.submit(self.db, self.api, payment, **options)

    def work(self) -> None:
        """What a worker does all day."""
        while wallets.process_one(self.db):
            pass
        while wallets.send_one(self.db, self.api):
            pass

    def dollars(self, account: str, db: psycopg.Connection | None = None) -> int:
        query = "SELECT balance FROM wallet WHERE account = %s"
        return (db or self.db).execute(query, (account,)).fetchone()[0] // DOLLAR

    def left(self) -> tuple[int, int]:
        """What waits in the inbox and in the outbox."""
        return self.db.execute(
            """SELECT (SELECT count(*) FROM inbox WHERE outcome IS NULL),
                      (SELECT count(*) FROM outbox WHERE NOT sent)"""
        ).fetchone()

    def report(self, stories: list[str]) -> pd.DataFrame:
        """How often each payment's webhooks were tried, and what became of it."""
        log = pd.DataFrame(self.provider.log, columns=["payment", "at", "status"])
        log["failed"] = log["status"] != 200
        tries = log.groupby("payment")["failed"].agg(["size", "sum"])
        tries.columns = ["webhooks", "failed"]
        books = self.db.execute(
            """SELECT p.id, p.state::text, balance,
                      count(entry.id) FILTER (WHERE kind = 'topup')
               FROM payment p JOIN wallet USING (account)
               LEFT JOIN entry ON entry.payment = p.id GROUP BY p.id, balance"""
        ).fetchall()
        columns = ["payment", "state", "balance", "credits"]
        table = pd.DataFrame(books, columns=columns).set_index("payment")
        table["balance"] //= DOLLAR
        table = table.join(tries).loc[stories].fillna({"webhooks": 0, "failed": 0})
        table = table.astype({"webhooks": int, "failed": int})
        return table[["credits", "balance", "webhooks", "failed", "state"]]

    def come_back(self, payment: str, path: str = "/topup/done") -> int:
        """The customer's browser is sent to the success page."""
        return self.browser.get(path, params={"payment": payment}).status_code

    def crash(self, step: str) -> dict[str, object]:
        """Kill a worker at this step of one payment; then let another take over."""
        payment = f"killed when {step}"
        self.pay(payment)
        self.provider.deliver(seconds=0.5)  # "processing"
        self.work()
        self.provider.deliver()  # "succeeded"
        before = self.provider.mail_requests
        command = [sys.executable, "worker.py", self.dsn, self.theirs.url, step]
        assert subprocess.run(command).returncode == -signal.SIGKILL
        self.wait_for_rollback()
        inbox, outbox = self.left()
        self.work()
        mails = [to for to, _ in self.provider.mails.values()].count(payment)
        return {
            "killed when": step,
            "inbox left": inbox,
            "outbox left": outbox,
            "credit [$]": self.dollars(payment),
            "mail requests": self.provider.mail_requests - before,
            "mails": mails,
        }

    def wait_for_rollback(self) -> None:
        """Until the database has noticed that the dead worker is gone."""
        query = """SELECT count(*) FROM pg_stat_activity
                   WHERE state LIKE 'idle in transaction%'"""
        deadline = time.monotonic() + 20
        while self.one(query) and time.monotonic() < deadline:
            time.sleep(0.01)

    def load_settlement(self) -> int:
        """Fetch the provider's file over HTTP into its table."""
        file = self.api.get("/v1/settlement").text
        copy = "COPY settlement FROM STDIN (FORMAT csv, HEADER)"
        with self.db.cursor().copy(copy) as rows:
            rows.write(file)
        return self.one("SELECT count(*) FROM settlement")

    def at_once(self, n: int, work: Callable[[psycopg.Connection], object]) -> list:
        """Call work in n threads, each with a connection of its own."""

        def connect_and_work(_: int) -> object:
            with self.connect() as own:
                return work(own)

        with ThreadPoolExecutor(n) as pool:
            return list(pool.map(connect_and_work, range(n)))

    def stop(self) -> None:
        for client in (self.browser, self.api, self.provider.webhooks):
            client.close()
        self.ours.stop()
        self.theirs.stop()
        for connection in (self.inbox, self.lab, self.db):
            connection.close()
        self.stop_postgres()
