"""Renewals whose card is declined: retry, tell, give time, pause; delete nothing."""

from collections.abc import Iterator

import httpx
import pandas as pd
import wallets
from harness import Stack
from psycopg import Connection

# --8<-- [start:policy]
RETRY_ON = (0, 1, 3, 7, 12)  # days after the invoice falls due
GRACE = 14  # days of service while unpaid
HARD = {"stolen_card", "lost_card", "pickup_card", "closed_account"}
ASK = dict.fromkeys(HARD, "please give us another card")
ASK["authentication_required"] = "please come and confirm"  # neither soft nor hard


def service(due: int, paid: int | None, day: int) -> str:
    """Worked out, not stored: a payment at any time restores it."""
    if day < due or (paid is not None and paid <= day):
        return "active"
    return "past due" if day - due < GRACE else "paused"
    # --8<-- [end:policy]


def collect(db: Connection, provider: httpx.Client, day: int) -> dict[str, str]:
    """What runs once a day: the invoices tried, and what came of it."""
    tried = {}
    open_invoices = db.execute(
        """SELECT id, account, amount, card, due, attempts FROM invoice
           WHERE paid IS NULL AND next_attempt <= %s ORDER BY id""",
        (day,),
    ).fetchall()
    for invoice, account, amount, card, due, attempts in open_invoices:
        # Each attempt is a payment with its own key; the same attempt keeps its key.
        attempt = wallets.create(db, f"{invoice}/{attempts + 1}", account, amount)
        request = wallets.request_for(db, attempt, card=card, off_session=True)
        answer = wallets.submit(db, provider, request, timeout=20)
        tried[invoice] = state = answer["status"]
        if state not in ("succeeded", "failed"):
            continue  # the next run asks again, with the same key
        later = [due + days for days in RETRY_ON if due + days > day]
        retry = later[0] if later and answer["code"] not in ASK else None
        db.execute(
            """UPDATE invoice SET attempts = attempts + 1, next_attempt = %s
               WHERE id = %s""",
            (retry, invoice),
        )
        if state == "failed":
            ask = ASK.get(answer["code"], "we shall try again")
            wallets.notify(db, attempt, f"declined: {ask}")
    for (invoice,) in db.execute(
        "SELECT id FROM invoice WHERE paid IS NULL AND due + %s = %s", (GRACE, day)
    ).fetchall():
        wallets.notify(db, invoice, "paused; your data is kept")
    return tried


def settle(db: Connection, day: int) -> None:
    """An invoice is paid once an attempt at it is credited, whoever said so first."""
    db.execute(
        """UPDATE invoice SET paid = %s WHERE paid IS NULL AND id IN (
               SELECT split_part(payment, '/', 1) FROM entry WHERE kind = 'charge')""",
        (day,),
    )


def subscribe(db: Connection, customer: str, card: str, cents: int) -> None:
    db.execute("INSERT INTO wallet VALUES (%s) ON CONFLICT DO NOTHING", (customer,))
    db.execute(
        """INSERT INTO invoice (id, account, amount, card, due, next_attempt)
           VALUES (%s, %s, %s, %s, 0, 0)""",
        (customer, customer, cents, card),
    )


def new_card(db: Connection, invoice: str, card: str, day: int) -> None:
    db.execute(
        "UPDATE invoice SET card = %s, next_attempt = %s WHERE id = %s",
        (card, day, invoice),
    )


def confirm(stack: Stack, invoice: str) -> None:
    """The customer is back and authenticates: the same payment, one more charge."""
    [asked] = stack.provider.of(f"{invoice}/1")
    stack.provider.charge(asked)


def simulate(
    stack: Stack, cards: dict[str, str], back: dict[int, str], days: int
) -> Iterator[tuple[int, dict[str, str]]]:
    """One invoice for each customer, due on day 0: what was tried on each day."""
    for customer, card in cards.items():
        subscribe(stack.db, customer, card, cents=2_000)
    for day in range(days):
        customer = back.get(day, "")
        if customer and cards[customer] == "asks":
            confirm(stack, customer)
        elif customer:
            new_card(stack.db, customer, "good", day)
        yield day, collect(stack.db, stack.api, day)
        stack.provider.deliver(seconds=86_400)  # webhooks repeat what the answers said
        stack.work()
        settle(stack.db, day)


TOLD = """SELECT count(*) FROM outbox WHERE split_part(payment, '/', 1) = %s
          AND (message LIKE 'declined%%' OR message LIKE 'paused%%')"""


def renewals(
    stack: Stack, cards: dict[str, str], back: dict[int, str], days: int
) -> pd.DataFrame:
    """Per customer: the days on which the card was tried, and the state of service."""
    payday = stack.clock.now + 3 * 86_400
    stack.provider.declines = {
        "payday": lambda: "insufficient_funds" if stack.clock.now < payday else "",
        "stolen": lambda: "stolen_card",
        "empty": lambda: "insufficient_funds",
        "asks": lambda: "authentication_required",
    }
    tried: dict[str, list[int]] = {customer: [] for customer in cards}
    for day, states in simulate(stack, cards, back, days):
        for customer in states:
            tried[customer].append(day)
    query = "SELECT due, paid FROM invoice WHERE id = %s"
    rows = []
    for customer, on in tried.items():
        facts = stack.db.execute(query, (customer,)).fetchone()
        states = [service(*facts, day) for day in range(days)]
        paused = [day for day, state in enumerate(states) if state == "paused"]
        told = stack.one(TOLD, customer)
        rows.append((customer, on, len(paused), told, stack.dollars(customer)))
    columns = ["customer", "tried on day", "days paused", "mails", "credit [$]"]
    return pd.DataFrame(rows, columns=columns).set_index("customer")
