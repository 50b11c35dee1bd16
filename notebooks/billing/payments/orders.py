"""The events of one payment in every order in which they can arrive."""

from itertools import permutations

import wallets
from money import CENT
from psycopg import Connection

# In the order in which they happened: (id, kind, cents, status, what a handler that adds
# events up would book).
FACTS = [
    ("ch", "charge", 2_000, "succeeded", 2_000),
    ("re", "refund", 500, "succeeded", -500),
    ("re", "refund", 500, "failed", 500),
    ("dp", "dispute", 800, "open", -800),
    ("dp", "dispute", 800, "won", 800),
]
TRUE_BALANCE = sum(booked for *_, booked in FACTS)


def merged(db: Connection, name: str, order: tuple) -> int:
    """Balance in cents after `merge` of each in this order, and of all once more."""
    wallets.create(db, name, name, 2_000)
    for movement, kind, cents, status, _ in (*order, *order):
        news = {
            "payment": name,
            "intent": f"{name} pi",
            "currency": "usd",
            "kind": kind,
        }
        news |= {"id": f"{name} {movement}", "amount": cents, "status": status}
        wallets.merge(db, news)
    query = "SELECT balance FROM wallet WHERE account = %s"
    return db.execute(query, (name,)).fetchone()[0] // CENT


def newer_only(order: tuple) -> int:
    """Balance in cents if each object skips what is older than its newest: the mistake."""
    newest, balance = dict.fromkeys(["ch", "re", "dp"], -1), 0
    for fact in order:
        thing, created, booked = fact[0], FACTS.index(fact), fact[-1]
        if created > newest[thing]:
            newest[thing], balance = created, balance + booked
    return balance


def all_orders(db: Connection) -> tuple[list[int], list[int]]:
    orders = list(permutations(FACTS))
    with db.transaction():
        ends = [merged(db, f"order {i}", order) for i, order in enumerate(orders)]
    return ends, [newer_only(order) for order in orders]
