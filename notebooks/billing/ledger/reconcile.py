"""Three books that were kept apart: the engine's log, the ledger, the provider's report."""

import csv
from collections.abc import Iterable
from datetime import date, timedelta

import pandas as pd
from books import violations
from month import CONTRACT, JOBS, JUNE, charge, cost, engine_log
from psycopg import Connection

GRACE = timedelta(days=3)  # until then a missing row may only be late


def reconcile(db: Connection, since: date, today: date) -> pd.DataFrame:
    ran = {
        (job["job"], job["customer"]): (job["day"], cost(job, CONTRACT))
        for job in engine_log()
        if job["day"] >= str(since)
    }
    with open("settlement.csv") as report:
        paid = {
            (ref, customer): (day, int(gross) - int(fee))
            for ref, customer, day, gross, fee in csv.reader(report)
            if day >= str(since)
        }
    charged = booked(db, "charge", "wallet:%", since)
    topped_up = booked(db, "top-up", "processor%", since)
    breaks = differences("engine", ran, charged, today)
    breaks += differences("provider", paid, topped_up, today)
    columns = ["reference", "customer", "finding", "class", "outside", "ledger"]
    return pd.DataFrame(breaks, columns=columns)


# Reversals count towards the event that they take back, and so do further
# entries for the same event: "job", "job/corrected".
NET = """
    SELECT split_part(root.ref, '/', 1), split_part(w.account, ':', 2),
        min(root.booked_on)::text, sum(p.amount)::bigint
    FROM entry e JOIN entry root ON root.id = coalesce(e.reverses, e.id)
        JOIN posting p ON p.entry = e.id AND p.account LIKE %s
        JOIN posting w ON w.entry = root.id AND w.account LIKE 'wallet:%%'
    WHERE root.kind = %s AND root.booked_on >= %s
    GROUP BY 1, 2 HAVING sum(p.amount) <> 0
"""


def booked(db: Connection, kind: str, accounts: str, since: date) -> dict:
    rows = db.execute(NET, (accounts, kind, since)).fetchall()
    return {(ref, customer): (day, amount) for ref, customer, day, amount in rows}


# --8<-- [start:differences]
def differences(outside: str, theirs: dict, ours: dict, today: date) -> list[tuple]:
    """Both: (reference, customer) -> (day, amount). Tolerance zero."""
    breaks = []
    for key in sorted(theirs.keys() | ours.keys()):
        day = (theirs.get(key) or ours[key])[0]
        expected, found = (side.get(key, (day, 0))[1] for side in (theirs, ours))
        if expected == found:
            continue
        finding = "amounts differ"
        if not (expected and found):
            finding = f"unknown to the {outside}" if found else "not in the ledger"
        recent = date.fromisoformat(day) > today - GRACE
        kind = "timing" if recent and finding != "amounts differ" else "real"
        breaks.append((*key, finding, kind, expected, found))
    return breaks
    # --8<-- [end:differences]


ON_HOLD = """
    SELECT customer FROM (SELECT DISTINCT ON (customer) customer, event
                          FROM billing_event ORDER BY customer, id DESC) latest
    WHERE event = 'hold'
"""


def on_hold(db: Connection) -> set[str]:
    return {customer for (customer,) in db.execute(ON_HOLD)}


def set_hold(app: Connection, breaks: pd.DataFrame, broken: Iterable[str] = ()) -> int:
    """Stop billing whoever has a real break, resume whoever has none any more.

    A broken invariant or chain stops everybody. Returns how many are on hold.
    """
    real = breaks[breaks["class"] == "real"].groupby("customer")["reference"]
    found = {customer: ", ".join(refs) for customer, refs in real}
    if broken:  # all the books are in doubt
        found |= dict.fromkeys(JOBS, ", ".join(broken))
    with app.transaction():  # all of it, and the notices with it, or nothing
        for customer in sorted(found.keys() - on_hold(app)):
            tell(app, customer, "hold", found[customer])
        for customer in sorted(on_hold(app) - found.keys()):
            tell(app, customer, "resume", "no open break")
    return len(found)


def check_again(
    admin: Connection, app: Connection, today: date, chain: Iterable[str] = ()
) -> int:
    """Stop and resume by all checks. Returns how many are on hold."""
    set_hold(app, reconcile(admin, JUNE, today), [*violations(admin), *chain])
    return len(on_hold(app))


def tell(app: Connection, *event: str) -> None:
    sql = "INSERT INTO billing_event (customer, event, reason) VALUES (%s, %s, %s)"
    app.execute(sql, event)


def bill(app: Connection, since: date) -> int:
    """Charge the jobs that are not charged yet, but nobody who is on hold."""
    held, charged = on_hold(app), booked(app, "charge", "wallet:%", since)
    due = [
        job
        for job in engine_log()
        if job["day"] >= str(since)
        and job["customer"] not in held
        and (job["job"], job["customer"]) not in charged
    ]
    for job in due:
        charge(app, job)
    return len(due)
