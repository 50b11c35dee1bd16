"""One call in the books: two short transactions, with the wallet's row last in both."""

import json
from typing import NamedTuple

from fastapi import HTTPException
from ledger import post, rate


class Call(NamedTuple):
    id: int
    wallet: str
    model: str
    version: int  # of the price list
    hold: int  # u$


# --8<-- [start:calls]
def reserve(db, customer: int, model: str, key: str, request: bytes, most: dict):
    """Claim the key, fix the price version, hold the most that the call can cost."""
    wallet = f"wallet:{customer}"
    version = db.execute("SELECT max(version) FROM price").fetchone()[0]
    hold = rate(db, version, model, most)
    claimed = db.execute(
        """INSERT INTO call (customer, key, request, model, price_version, hold)
           VALUES (%s, %s, %s, %s, %s, %s)
           ON CONFLICT (customer, key) WHERE state <> 'failed' DO NOTHING
           RETURNING id""",
        (customer, key, request, model, version, hold),
    ).fetchone()
    if claimed is None:
        return replay(db, customer, key, request)
    post(db, "hold", claimed[0], {"held": hold, wallet: -hold})
    return Call(claimed[0], wallet, model, version, hold)


def settle(db, call: Call, output: object, usage: dict[str, int]) -> dict:
    """Charge what was used, give back the rest, keep the answer for retries."""
    charge = min(call.hold, rate(db, call.version, call.model, usage))
    reply = {"id": call.id, "output": output, "usage": usage, "charge": charge}
    db.execute(
        """UPDATE call SET state = 'settled', usage = %s, charge = %s, response = %s
           WHERE id = %s""",
        (json.dumps(usage), charge, json.dumps(reply), call.id),
    )
    sides = {"held": -call.hold, "revenue": charge, call.wallet: call.hold - charge}
    post(db, "settle", call.id, sides)
    return reply


# --8<-- [end:calls]


def release(db, call: Call) -> None:
    """The attempt failed: nothing is charged, and the key is free again."""
    db.execute("UPDATE call SET state = 'failed' WHERE id = %s", [call.id])
    post(db, "release", call.id, {"held": -call.hold, call.wallet: call.hold})


def replay(db, customer: int, key: str, request: bytes) -> dict:
    call = db.execute(
        """SELECT request, response FROM call
           WHERE customer = %s AND key = %s AND state <> 'failed'""",
        (customer, key),
    ).fetchone()
    if call and call[0] != request:
        raise HTTPException(422, "this key belongs to another request")
    if not call or call[1] is None:
        raise HTTPException(409, "the first attempt has not ended yet")
    return call[1]
