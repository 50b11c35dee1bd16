"""Settlements at the edges: nothing used, all of the hold used, other counts for a settled call."""

from collections.abc import Callable
from datetime import date

import books
from psycopg import Connection

Settle = Callable[[str, dict[str, int]], int | None]
USED = {  # by a call that timed out, and by one that costs u$ 20,000 with tax
    "timeout": {"input": 0, "cached": 0, "output": 0},
    "full": {"input": 1894, "cached": 8, "output": 0},
}
LINES = [
    {"held:gus": 20_000, "wallet:gus": -20_000},
    {"held:gus": 20_000, "revenue": -18_868, "tax": -1_132},
]


def settle_edges(
    app: Connection, settle: Settle, hold: dict[str, int], day: date
) -> list[dict[str, int]]:
    """The lines that settle each of USED. Leaves no trace."""
    with app.transaction(force_rollback=True):
        for call, used in USED.items():
            books.post(app, "hold", call, day, hold)
            settle(call, used)
        app.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would check
        return [books.lines_of(app, books.find(app, "settle", call)) for call in USED]


def refusal(settle: Settle, call: str, used: dict[str, int]) -> str:
    """Why it is not settled; nothing if it is."""
    try:
        settle(call, used)
    except ValueError as error:
        return str(error)
    return ""
