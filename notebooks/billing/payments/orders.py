"""The events of one payment in every order in which they can arrive."""

from itertools import permutations

import wallets
from money import CENT
from psycopg import Connection

# In the order in which they happened: (status, cents refunded so far, what a handler
# that adds events up would book).
FACTS = [
    ("processing", 0, 0),
    ("succeeded", 0, 2_000),
    ("refunded", 500, -500),
    ("disputed", 500, -1_500),
    ("dispute_won", 500, 1_500),
]


def merged(db: Connection, name: str, order: tuple) -> tuple[str, int]:
    """State and balance in cents after `merge` of each, and of the first once more."""
    wallets.create(db, name, name, 2_000)
    news = {"payment": name, "charge": name, "amount": 2_000, "currency": "usd"}
    for status, refunded, _ in (*order, order[0]):
        snapshot = news | {"status": status, "refunded": refunded, "code": ""}
        state = wallets.merge(db, snapshot)
    query = "SELECT balance FROM wallet WHERE account = %s"
    return state, db.execute(query, (name,)).fetchone()[0] // CENT


def newer_only(order: tuple) -> int:
    """Balance in cents if an event older than the newest seen is skipped: the mistake."""
    newest, balance = -1, 0
    for fact in order:
        if (created := FACTS.index(fact)) > newest:
            newest, balance = created, balance + fact[2]
    return balance


def all_orders(db: Connection) -> tuple[list[tuple[str, int]], list[int]]:
    orders = list(permutations(FACTS))
    ends = [merged(db, f"order {i}", order) for i, order in enumerate(orders)]
    return ends, [newer_only(order) for order in orders]
