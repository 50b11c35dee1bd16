"""What somebody with the database's superuser can do. Each step leaves the books consistent."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from audit import BOOKS, CHECKS, canonical, found_by, link
from books import find, violations
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from psycopg import Connection
from reconcile import reconcile

TARGET = "bob-0520a"


def edit(db: Connection, job: str = TARGET) -> None:
    """A dollar less on both legs of a charge, and a dollar more in the wallet."""
    db.execute(
        "UPDATE posting SET amount = amount - sign(amount) * 1000000 WHERE entry = %s",
        (find(db, "charge", job),),
    )
    resync(db)


def backdate(db: Connection) -> None:
    """As if it had been recorded a month earlier."""
    sql = (
        "UPDATE entry SET recorded_at = recorded_at - interval '1 month' WHERE ref = %s"
    )
    db.execute(sql, (TARGET,))


def edit_last(db: Connection) -> None:
    """The latest charge, sealed since the last checkpoint."""
    sql = "SELECT ref FROM entry WHERE kind = 'charge' ORDER BY id DESC LIMIT 1"
    edit(db, db.execute(sql).fetchone()[0])


def recopy(db: Connection) -> None:
    """Bring the audit log's copies into line with the books."""
    rows = [
        (canonical(content), entry) for entry, content in db.execute(BOOKS).fetchall()
    ]
    db.cursor().executemany("UPDATE audit SET record = %s WHERE entry = %s", rows)


def rechain(db: Connection) -> None:
    """Number and hash the whole log anew."""
    rows, before = [], bytes(32)
    log = db.execute("SELECT entry, record FROM audit ORDER BY seq").fetchall()
    for seq, (entry, record) in enumerate(log, 1):
        before = link(before, record)
        rows.append((seq, entry, record, before))
    db.execute("DELETE FROM audit")
    db.cursor().executemany("INSERT INTO audit VALUES (%s, %s, %s, %s)", rows)


def delete(db: Connection) -> None:
    remove(db, [find(db, "charge", TARGET)])


def cut_tail(db: Connection) -> None:
    """The last twenty entries of the log have never been."""
    rows = db.execute("SELECT entry FROM audit ORDER BY seq DESC LIMIT 20").fetchall()
    remove(db, [entry for (entry,) in rows])


def swap(db: Connection) -> None:
    """Two neighbours in the log change places."""
    (seq,) = db.execute(
        "SELECT seq FROM audit WHERE entry = %s", (find(db, "charge", TARGET),)
    ).fetchone()
    db.execute("UPDATE audit SET seq = -1 WHERE seq = %s", (seq,))
    db.execute("UPDATE audit SET seq = %s WHERE seq = %s", (seq, seq + 1))
    db.execute("UPDATE audit SET seq = %s WHERE seq = -1", (seq + 1,))


def remove(db: Connection, entries: list[int]) -> None:
    for table, column in (("posting", "entry"), ("entry", "id"), ("audit", "entry")):
        db.execute(f"DELETE FROM {table} WHERE {column} = ANY(%s)", (entries,))
    resync(db)


def resync(db: Connection) -> None:
    db.execute("""UPDATE wallet SET funds = coalesce(
        (SELECT -sum(amount) FROM posting WHERE posting.account = wallet.account), 0)""")


# What is done, and the only comparisons that find it.
CRIMES = {
    "edit an entry": ([edit], {"copy"}),
    "backdate an entry": ([backdate], {"copy"}),
    "edit it and its copy": ([edit, recopy], {"chain"}),
    "delete an entry everywhere": ([delete], {"chain", "anchor"}),
    "swap two rows of the log": ([swap], {"chain"}),
    "cut off the tail": ([cut_tail], {"anchor"}),
    "edit, then hash it all anew": ([edit, recopy, rechain], {"anchor"}),
    "the same, behind the checkpoint": ([edit_last, recopy, rechain], set()),
}


@contextmanager
def committed(crime: str, admin: Connection) -> Iterator[None]:
    """The books as the crime leaves them. Leaves no trace."""
    with admin.transaction(force_rollback=True):
        admin.execute("SET LOCAL session_replication_role = replica")
        for step in CRIMES[crime][0]:
            step(admin)
        yield


def commit(
    crime: str, admin: Connection, outside: list[dict], key: Ed25519PublicKey
) -> tuple[list[str], set[str]]:
    """Which daily checks and which of CHECKS notice it."""
    with committed(crime, admin):
        return violations(admin), found_by(admin, outside, key)


def reconciled(crime: str, admin: Connection, day: date) -> list[list]:
    """The real breaks that the reconciliation of that day finds after the crime."""
    with committed(crime, admin):
        breaks = reconcile(admin, day, day)
    real = breaks[breaks["class"] == "real"]
    return real[["reference", "outside", "ledger"]].to_numpy().tolist()


def table(found: dict[str, set[str]]) -> dict[str, list[str]]:
    return {
        c: ["found" if by in noticed else "-" for by in CHECKS]
        for c, noticed in found.items()
    }
