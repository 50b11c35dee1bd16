"""PostgreSQL, our endpoint, the provider, workers that get killed."""

import contextlib
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
        config = uvicorn.Config(app, log_level="critical", lifespan="off")
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
    """The database, the provider, and our endpoint."""

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
        self.app = endpoint(self.inbox, secret)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.dsn, autocommit=True)

    def one(self, query: str, *values: object) -> object:
        return self.db.execute(query, values or None).fetchone()[0]

    def pay(self, payment: str, timeout: float = 20, **options: object) -> str:
        """A top-up of $20, into a wallet of its own that bears the same name."""
        wallets.create(self.db, payment, payment, 2_000)
        request = wallets.request_for(self.db, payment, **options)
        try:
            return wallets.submit(self.db, self.api, request, timeout)["status"]
        except (httpx.HTTPError, KeyError) as error:  # what `submit` fails to handle
            return type(error).__name__

    def tell_stories(self) -> list[str]:
        """Top-ups of $20, each with a fault of its own; all is delivered in the end."""
        provider = self.provider
        self.pay("endpoint down at first")
        provider.deliver(seconds=20)  # connection refused
        self.ours.start(self.app)
        provider.copies["event sent three times"] = 3
        provider.twins.add("two events for one fact")
        provider.delay["refund overtakes success", "charge"] = 3_600
        provider.lost.add("webhook lost")
        provider.declines["empty"] = lambda: "insufficient_funds"
        stories = ["in order", *provider.copies, *provider.twins]
        refunds = ["refund overtakes success", "refund fails"]
        disputes = {"part disputed": "lost", "dispute won": "won"}
        stories += [*refunds, *disputes, "inquiry only", *provider.lost]
        for story in stories:
            self.pay(story)
        for story in refunds:
            charge = provider.of(story)[0]["id"]
            provider.refund(charge, 500, fails=story == "refund fails")
        for story, end in disputes.items():
            provider.dispute(story, 800, ends=end)
        provider.inquire("inquiry only")
        stories.insert(3, "declined, then paid")
        self.pay("declined, then paid", card="empty")
        provider.charge(provider.of("declined, then paid")[0])  # with another card
        provider.deliver()
        self.work()
        return ["endpoint down at first", *stories]

    def find_out(self, payment: str) -> list[str]:
        try:
            return wallets.find_out(self.db, self.api, payment)
        except wallets.Mismatch as error:  # charged more than once
            return [type(error).__name__]

    def pay_afresh(self, payment: str, tries: int) -> int:
        """How often the customer paid. The mistake: the outcome is unknown, so try again under a new key."""
        wallets.create(self.db, payment, payment, 2_000)
        request = wallets.request_for(self.db, payment)
        for i in range(tries):
            key = {"Idempotency-Key": f"{payment}, try {i}"}
            with contextlib.suppress(httpx.TimeoutException):
                self.api.post("/v1/payments", json=request, headers=key, timeout=0.3)
        while len(self.provider.of(payment)) < tries:
            time.sleep(0.01)
        self.provider.deliver()
        self.work()
        return len(self.provider.of(payment))

    def stored_twice(self) -> int:
        """Deliveries in the inbox beyond one of each event."""
        return self.one("SELECT count(*) - count(DISTINCT event) FROM inbox")

    def arrived(self, payment: str) -> list[str]:
        """What its events said, in the order in which they came."""
        rows = self.db.execute(
            """SELECT concat_ws(' ', body->'data'->>'kind', body->'data'->>'status')
               FROM inbox WHERE body->'data'->>'payment' = %s ORDER BY received_at""",
            (payment,),
        )
        return [said for (said,) in rows]

    def quarantined(self) -> int:
        """Events that wait for a person."""
        return self.one("SELECT count(*) FROM inbox WHERE outcome LIKE 'refused%'")

    def money(self) -> int:
        """Dollars in all wallets."""
        return self.one("SELECT sum(balance)::bigint FROM wallet") // DOLLAR

    def refund_second(self, payment: str) -> None:
        """Of two charges for one payment, give back the one that was never credited."""
        ours = self.one("SELECT intent FROM payment WHERE id = %s", payment)
        [second] = [c for c in self.provider.of(payment) if c["intent"] != ours]
        body = {"charge": second["id"], "amount": second["amount"]}
        self.api.post("/v1/refunds", json=body).raise_for_status()
        self.provider.deliver()
        self.work()

    def last_event(self, payment: str) -> str:
        self.provider.deliver()
        return self.provider.sent[payment]

    def post_as(self, text: str, secret: str) -> int:
        return self.provider.send(text, self.provider.sign(text, secret=secret))

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
            """SELECT p.id, balance / 1000000.0, count(source) FILTER (WHERE kind = 'charge')
               FROM payment p JOIN wallet USING (account)
               LEFT JOIN entry ON entry.payment = p.id GROUP BY p.id, balance"""
        ).fetchall()
        table = pd.DataFrame(books, columns=["payment", "balance [$]", "credits"])
        table = table.set_index("payment").astype({"balance [$]": float})
        table = table.join(tries).loc[stories].fillna({"webhooks": 0, "failed": 0})
        table = table.astype({"webhooks": int, "failed": int})
        return table[["credits", "balance [$]", "webhooks", "failed"]]

    def success_page(self, payment: str) -> httpx.Response:
        """The customer's browser comes back."""
        return self.browser.get("/topup/done", params={"payment": payment})

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

    def reconcile(self) -> pd.DataFrame:
        """Fetch the provider's file over HTTP into its table, and compare."""
        self.db.execute("TRUNCATE settlement")
        file = self.api.get("/v1/settlement").text
        copy = "COPY settlement FROM STDIN (FORMAT csv, HEADER)"
        with self.db.cursor().copy(copy) as rows:
            rows.write(file)
        found = self.db.execute("SELECT * FROM differences ORDER BY payment")
        columns = ["payment", "finding", "gross [$]", "booked [$]", "fee [$]"]
        return pd.DataFrame(found.fetchall(), columns=columns).set_index("payment")

    def missing_in_bank(self) -> float:
        """Dollars: the file's net amounts, less what the bank says has arrived."""
        net = self.one("SELECT sum(net) FROM settlement")
        return float(net - self.provider.paid_out())

    def credit_by_hand(self, payment: str) -> None:
        """Declined, but support is kind."""
        self.pay(payment, card="empty")
        self.provider.deliver()
        self.work()
        [declined] = self.provider.of(payment)
        wallets.merge(self.db, declined | {"status": "succeeded"})

    def refund_untold(self, payment: str) -> None:
        """A refund whose notifications are all lost."""
        self.pay(payment)
        self.provider.deliver()
        self.work()
        self.provider.lost.add(payment)
        self.provider.refund(self.provider.of(payment)[0]["id"], 500)
        self.provider.deliver()

    def look_then_insert(self, table: str, callers: int) -> int:
        """The mistake, in parallel: nobody finds an entry, so all write one. Dollars credited."""
        name = f"looked up in {table}"
        wallets.create(self.db, name, name, 2_000)
        barrier = threading.Barrier(callers, timeout=30)

        def credit(own: psycopg.Connection) -> None:
            known = own.execute(
                f"SELECT FROM {table} WHERE payment = %s", (name,)
            ).fetchone()
            barrier.wait()
            if not known:
                with contextlib.suppress(psycopg.errors.UniqueViolation):
                    entry = (name, name, 20 * DOLLAR)
                    own.execute(
                        f"INSERT INTO {table} VALUES (%s, %s, 'charge', %s)", entry
                    )

        self.at_once(callers, credit)
        query = f"SELECT sum(amount)::bigint FROM {table} WHERE payment = %s"
        credited = self.one(query, name) // DOLLAR
        balance = "(SELECT coalesce(sum(amount), 0) FROM entry WHERE payment = account)"
        self.db.execute(
            f"UPDATE wallet SET balance = {balance} WHERE account = %s", (name,)
        )
        return credited

    def deliver_at_once(self, payment: str, callers: int) -> list[int]:
        """One event from all sides, processed by as many workers; the answers."""
        self.provider.lost.add(payment)
        self.pay(payment)
        event = self.last_event(payment)
        statuses = self.at_once(callers, lambda own: self.provider.post(event))
        self.at_once(callers, wallets.process_one)
        self.work()
        return statuses

    def refund_at_once(self, payment: str, callers: int) -> int:
        """A refund of $5, merged by all callers; none posts before all are held up. Dollars left."""
        [paid] = self.provider.of(payment)
        refund = {
            "id": "re_race",
            "kind": "refund",
            "amount": 500,
            "status": "succeeded",
        }
        waiting = """SELECT count(*) FROM pg_stat_activity
                     WHERE wait_event_type = 'Lock' AND datname = current_database()"""
        with self.connect() as gate, ThreadPoolExecutor(1) as pool:
            with gate.transaction():
                gate.execute(
                    "LOCK TABLE entry IN SHARE MODE"
                )  # all may read, none write
                merging = pool.submit(
                    self.at_once, callers, lambda own: wallets.merge(own, paid | refund)
                )
                while self.one(waiting) < callers and not merging.done():
                    time.sleep(0.01)
            merging.result()
        self.work()
        return self.dollars(payment)

    def close_the_books(self) -> tuple[int, int]:
        """Wallets that differ from their entries, and messages to customers."""
        wrong = self.one(
            """SELECT count(*) FROM wallet w WHERE balance <> (
                   SELECT coalesce(sum(e.amount), 0) FROM entry e
                   JOIN payment p ON p.id = e.payment WHERE p.account = w.account)"""
        )
        assert self.left() == (0, 0)
        return wrong, self.one("SELECT count(*) FROM outbox")

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
