"""Payments into prepaid wallets: everything the provider tells us goes through `merge`."""

from typing import Any

import httpx
from money import CENT
from psycopg import Connection, DataError, IntegrityError


class Mismatch(Exception):
    """The provider speaks of a payment that is not the one we asked for."""


def create(db: Connection, payment: str, account: str, cents: int) -> str:
    db.execute("INSERT INTO wallet VALUES (%s) ON CONFLICT DO NOTHING", (account,))
    db.execute(
        """INSERT INTO payment (id, account, amount) VALUES (%s, %s, %s)
           ON CONFLICT (id) DO NOTHING""",
        (payment, account, cents),
    )
    return payment


def request_for(db: Connection, payment: str, **options: object) -> dict:
    query = "SELECT amount, currency FROM payment WHERE id = %s"
    amount, currency = db.execute(query, (payment,)).fetchone()
    return {"payment": payment, "amount": amount, "currency": currency} | options


# --8<-- [start:submit]
def submit(db: Connection, api: httpx.Client, request: dict, timeout: float) -> dict:
    """Ask the provider to collect a payment that is on record."""
    unknown = request | {"status": "unknown"}  # which is not "failed"
    key = {"Idempotency-Key": request["payment"]}
    try:
        answer = api.post("/v1/payments", json=request, headers=key, timeout=timeout)
    except httpx.TransportError:  # too late, refused or cut: the same key may ask again
        return unknown
    if answer.status_code >= 500:  # the same key would replay it: query, or wait
        return unknown
    if answer.status_code in (409, 429):  # still running, too many: ask again later
        return unknown
    if answer.status_code != 402:  # a decline is an answer; another 4xx is our mistake
        answer.raise_for_status()
    return answer.json() | {"status": merge(db, answer.json())}
    # --8<-- [end:submit]


def find_out(db: Connection, api: httpx.Client, payment: str) -> list[str]:
    """Query; nothing found is no proof that nothing will come."""
    return [merge(db, each) for each in api.get(f"/v1/payments/{payment}").json()]


# --8<-- [start:merge]
STEPS = {  # the states of each kind in order, and what each is worth to the wallet
    "charge": {"processing": 0, "failed": 0, "succeeded": +1},
    "refund": {"pending": -1, "succeeded": -1, "canceled": 0, "failed": 0},
    "dispute": {"inquiry": 0, "open": -1, "lost": -1, "won": 0},
}


def merge(db: Connection, news: dict) -> str:
    """Take in one message, however old or often told, and post what is new in it."""
    states = list(STEPS[news["kind"]])
    news = news | {"rank": states.index(news["status"])}
    with db.transaction():  # to its end the payment is locked
        account = first(db, LOCK, news)
        if account is None:
            raise Mismatch("{intent}: {amount} {currency}".format(**news))
        rank = first(db, RECORD, news)
        due = STEPS[news["kind"]][states[rank]] * news["amount"] * CENT
        if change := due - first(db, POSTED, news):
            db.execute(POST, news | {"change": change})
            db.execute(CREDIT, {"change": change, "account": account})
            notify(db, news["payment"], f"{news['id']} {news['status']}")
    return states[rank]


LOCK = """UPDATE payment SET intent = %(intent)s
    WHERE id = %(payment)s AND currency = %(currency)s
      AND coalesce(intent, %(intent)s) = %(intent)s
      AND (amount = %(amount)s OR %(kind)s <> 'charge') RETURNING account"""
RECORD = """INSERT INTO movement
    VALUES (%(id)s, %(payment)s, %(kind)s, %(amount)s, %(rank)s) ON CONFLICT (id)
    DO UPDATE SET rank = greatest(movement.rank, excluded.rank) RETURNING rank"""
# --8<-- [end:merge]
POSTED = "SELECT coalesce(sum(amount), 0)::bigint FROM entry WHERE source = %(id)s"
POST = "INSERT INTO entry VALUES (%(payment)s, %(id)s, %(kind)s, %(change)s)"
CREDIT = "UPDATE wallet SET balance = balance + %(change)s WHERE account = %(account)s"


def first(db: Connection, query: str, values: dict) -> Any:
    row = db.execute(query, values).fetchone()
    return row and row[0]


def notify(db: Connection, payment: str, message: str) -> None:
    """In the transaction of the change: either both are on record or neither."""
    db.execute(
        "INSERT INTO outbox VALUES (%s, %s) ON CONFLICT DO NOTHING", (payment, message)
    )


def process_one(db: Connection, step=lambda name: None) -> bool:
    with db.transaction():
        row = db.execute(
            """SELECT event, body FROM inbox WHERE outcome IS NULL
               ORDER BY received_at LIMIT 1 FOR UPDATE SKIP LOCKED"""
        ).fetchone()
        if row is None:
            return False
        event, body = row
        step("claimed")
        try:
            with db.transaction():  # a savepoint
                merge(db, body["data"])
            outcome = "done"
        except (Mismatch, KeyError, ValueError, DataError, IntegrityError) as error:
            outcome = f"refused: {error}"  # and an alert; the queue goes on
        db.execute("UPDATE inbox SET outcome = %s WHERE event = %s", (outcome, event))
        step("credited")
    step("committed")
    return True


def send_one(db: Connection, mail: httpx.Client, step=lambda name: None) -> bool:
    with db.transaction():
        row = db.execute(
            """SELECT payment, message FROM outbox WHERE NOT sent
               ORDER BY payment, message LIMIT 1 FOR UPDATE SKIP LOCKED"""
        ).fetchone()
        if row is None:
            return False
        headers = {"Idempotency-Key": "/".join(row)}  # the same after a crash
        mail.post("/mail", json=row, headers=headers).raise_for_status()
        step("mailed")
        db.execute(
            "UPDATE outbox SET sent = true WHERE payment = %s AND message = %s", row
        )
    return True
