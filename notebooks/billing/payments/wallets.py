"""Payments into prepaid wallets: everything the provider tells us goes through `merge`."""

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


# --8<-- [start:submit]
def submit(
    db: Connection, provider: httpx.Client, payment: str, timeout: float = 20, **options
) -> str:
    """Ask the provider to collect a payment that is on record; the new state."""
    (cents,) = db.execute(
        "SELECT amount FROM payment WHERE id = %s", (payment,)
    ).fetchone()
    request = {"payment": payment, "amount": cents, "currency": "usd"} | options
    headers = {"Idempotency-Key": payment}
    try:
        answer = provider.post(
            "/v1/payments", json=request, headers=headers, timeout=timeout
        )
    except httpx.TimeoutException:
        return "unknown"  # not "failed": ask again, with the same key
    return merge(db, answer.json())
    # --8<-- [end:submit]


def effects(state: str, amount: int, refunded: int) -> dict[str, int]:
    """What a payment is worth to the wallet in all, in cents."""
    received = amount if state not in ("created", "processing", "failed") else 0
    withdrawn = amount - refunded if state in ("disputed", "dispute_lost") else 0
    return {"topup": received, "refund": -refunded, "dispute": -withdrawn}


# --8<-- [start:merge]
def merge(db: Connection, news: dict) -> str:
    """Take in one snapshot, however old or often told, and post what is new in it."""
    with db.transaction():
        row = db.execute(
            """UPDATE payment
               SET state = greatest(state, %(status)s), charge = %(charge)s,
                   refunded = greatest(refunded, %(refunded)s),
                   code = CASE WHEN state < %(status)s THEN %(code)s ELSE code END
               WHERE id = %(payment)s
                 AND amount = %(amount)s AND currency = %(currency)s
                 AND coalesce(charge, %(charge)s) = %(charge)s
               RETURNING account, state, amount, refunded""",
            news,
        ).fetchone()  # and nobody else may touch this payment until we commit
        if row is None:
            raise Mismatch("{charge}: {amount} {currency}".format(**news))
        account, state, *cents = row
        for kind, total in effects(state, *cents).items():
            (posted,) = db.execute(
                """SELECT coalesce(sum(amount), 0)::bigint FROM entry
                   WHERE payment = %s AND kind = %s""",
                (news["payment"], kind),
            ).fetchone()
            if change := total * CENT - posted:
                db.execute(
                    "INSERT INTO entry (payment, kind, amount) VALUES (%s, %s, %s)",
                    (news["payment"], kind, change),
                )
                db.execute(
                    "UPDATE wallet SET balance = balance + %s WHERE account = %s",
                    (change, account),
                )
        if state not in ("created", "processing"):
            notify(db, news["payment"], state)
    return state
    # --8<-- [end:merge]


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
        except (Mismatch, KeyError, DataError, IntegrityError) as error:
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
