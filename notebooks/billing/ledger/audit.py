"""A hash chain over the books, checkpoints signed and kept elsewhere, and Merkle proofs."""

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
        'reverses', reverses, 'recorded_by', recorded_by,
        'recorded_at', to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'postings', (SELECT jsonb_agg(jsonb_build_array(account, currency, amount::text) ORDER BY account)
                     FROM posting WHERE entry = e.id))
    FROM entry e
"""


# --8<-- [start:chain]
def canonical(record: dict) -> str:
    """One spelling for one record (the subset of RFC 8785 that is needed here)."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def link(before: bytes, record: str) -> bytes:
    return sha256(before + record.encode()).digest()


def seal(db: Connection) -> int:
    """Append the entries that are not in the audit log yet; returns how many.

    One sealer at a time. It asks "not sealed yet", never "above the last
    number": a lower number can be committed later.
    """
    with db.transaction():
        db.execute("SELECT pg_advisory_xact_lock(1)")
        head = db.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        seq, before = head.fetchone() or (0, bytes(32))
        new = "WHERE NOT EXISTS (SELECT FROM audit WHERE entry = e.id) ORDER BY id"
        rows = []
        for entry, content in db.execute(f"{BOOKS} {new}").fetchall():
            seq, record = seq + 1, canonical(content)
            before = link(before, record)
            rows.append((seq, entry, record, before))
        insert = "INSERT INTO audit VALUES (%s, %s, %s, %s)"
        db.cursor().executemany(insert, rows)
    return len(rows)


def checkpoint(db: Connection, key: Ed25519PrivateKey) -> dict:
    """What is handed to somebody who cannot write to this database."""
    log = db.execute("SELECT record, hash FROM audit ORDER BY seq").fetchall()
    head = {"size": len(log), "head": log[-1][1].hex()}
    head["root"] = merkle_root([record.encode() for record, _ in log]).hex()
    return head | {"signature": key.sign(canonical(head).encode()).hex()}
    # --8<-- [end:chain]


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
        head = {name: kept[name] for name in ("size", "head", "root")}
        try:
            key.verify(bytes.fromhex(kept["signature"]), canonical(head).encode())
        except InvalidSignature:
            found.add("anchor")
        size = kept["size"]
        if len(log) < size or log[size - 1][3].hex() != kept["head"]:
            found.add("anchor")
    return found


# --8<-- [start:merkle]
def leaf(record: bytes) -> bytes:
    return sha256(b"\x00" + record).digest()


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << (size - 1).bit_length() - 1


def merkle_root(records: list[bytes]) -> bytes:
    """RFC 9162, section 2.1.1."""
    if len(records) < 2:
        return leaf(records[0]) if records else sha256().digest()
    k = split(len(records))
    return node(merkle_root(records[:k]), merkle_root(records[k:]))


def proof(records: list[bytes], index: int) -> list[bytes]:
    """The hashes beside the way from one record up to the root, lowest first."""
    if len(records) == 1:
        return []
    k = split(len(records))
    if index < k:
        return [*proof(records[:k], index), merkle_root(records[k:])]
    return [*proof(records[k:], index - k), merkle_root(records[:k])]


def root_from(record: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root to which a proof leads; the verifier has only the record and the path."""
    if size == 1:
        return leaf(record)
    k, (*rest, beside) = split(size), path
    if index < k:
        return node(root_from(record, index, k, rest), beside)
    return node(beside, root_from(record, index - k, size - k, rest))
    # --8<-- [end:merkle]


def check_published_vectors() -> None:
    """The test data of github.com/transparency-dev/merkle, testonly/constants.go."""
    leaves = "", "00", "10", "2021", "3031", "40414243", "5051525354555657"
    leaves = *leaves, "606162636465666768696a6b6c6d6e6f"
    roots = {
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    for size, root in roots.items():
        records = [bytes.fromhex(content) for content in leaves[:size]]
        assert merkle_root(records).hex() == root
