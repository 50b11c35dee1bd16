"""A hash chain over the books, and checkpoints signed and kept elsewhere."""

import json
from hashlib import sha256

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from psycopg import Connection

# An entry and its postings, as one JSON object. Amounts are strings: a reader
# whose JSON numbers are doubles must compute the same hash.
BOOKS = """
    SELECT e.id, jsonb_build_object(
        'entry', e.id, 'kind', kind, 'ref', ref, 'booked_on', booked_on,
        'effective_on', effective_on,
        'reverses', reverses, 'recorded_by', recorded_by,
        'recorded_at', to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'postings', (SELECT jsonb_agg(jsonb_build_array(account, currency, amount::text) ORDER BY account)
                     FROM posting WHERE entry = e.id))
    FROM entry e
"""


HEAD = "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1"


def canonical(record: dict) -> str:
    """One spelling for one record (the subset of RFC 8785 that is needed here)."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


# --8<-- [start:chain]
def link(before: bytes, record: str) -> bytes:
    return sha256(before + record.encode()).digest()


def seal(db: Connection) -> int:
    """Append what is not sealed yet, one sealer at a time; returns how many entries."""
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(1)")
        seq, before = db.execute(HEAD).fetchone() or (0, bytes(32))
        # Not "above the last number": a lower one can be committed later.
        new = "WHERE NOT EXISTS (SELECT FROM audit WHERE entry = e.id) ORDER BY id"
        rows = []
        for entry, content in db.execute(f"{BOOKS} {new}").fetchall():
            seq, record = seq + 1, canonical(content)
            before = link(before, record)
            rows.append((seq, entry, record, before))
        db.cursor().executemany("INSERT INTO audit VALUES (%s, %s, %s, %s)", rows)
    return len(rows)
    # --8<-- [end:chain]


def checkpoint(db: Connection, key: Ed25519PrivateKey) -> dict:
    """What is handed to somebody who cannot write to this database."""
    seq, last = db.execute(HEAD).fetchone()
    head = {"size": seq, "head": last.hex()}
    return head | {"signature": key.sign(canonical(head).encode()).hex()}


CHECKS = ("copy", "chain", "anchor")


def found_by(db: Connection, outside: list[dict], key: Ed25519PublicKey) -> set[str]:
    """Which of CHECKS fails.

    Is each copy what the books say? Do the hashes follow from the copies? Is the
    log the one whose checkpoints others keep?
    """
    select = "SELECT seq, entry, record, hash FROM audit ORDER BY seq"
    log, books = db.execute(select).fetchall(), dict(db.execute(BOOKS).fetchall())
    found, before = set(), bytes(32)
    for position, (seq, entry, record, stored) in enumerate(log, 1):
        if entry not in books or canonical(books[entry]) != record:
            found.add("copy")
        if seq != position or stored != link(before, record):
            found.add("chain")
        before = stored
    for kept in outside:
        head = {name: kept[name] for name in ("size", "head")}
        try:
            key.verify(bytes.fromhex(kept["signature"]), canonical(head).encode())
        except InvalidSignature:
            found.add("anchor")
        size = kept["size"]
        if len(log) < size or log[size - 1][3].hex() != kept["head"]:
            found.add("anchor")
    return found
