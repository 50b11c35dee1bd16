"""One stateless gateway; all that two of them share is the database.

Start: python gateway.py SOCKET_FD
"""

import hashlib
import hmac
import json
import os
import pathlib
import secrets
import socket
import sys
import time

import psycopg
import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from ledger import post, rate
from money import CENT, to_cents
from pydantic import BaseModel, Field
from scheduler import NoWorker, Scheduler
from worker import tokenize

DSN, PSP_SECRET = os.environ["DSN"], os.environ["PSP_SECRET"].encode()
app, scheduler, log = FastAPI(), Scheduler(), pathlib.Path("gateway.log")


def digest(text: str) -> bytes:
    # Enough for a key of 256 random bits; a password needs a slow hash.
    return hashlib.sha256(text.encode()).digest()


def authenticate(authorization: str = Header("")) -> int:
    with psycopg.connect(DSN) as db:  # production: a connection pool
        row = db.execute(
            "SELECT customer FROM api_key WHERE digest = %s",
            [digest(authorization.removeprefix("Bearer "))],
        ).fetchone()
    if row is None:
        raise HTTPException(401, "unknown API key")
    return row[0]


@app.post("/v1/signup")
def sign_up(name: str) -> dict:
    key = "sk_" + secrets.token_urlsafe(32)
    with psycopg.connect(DSN) as db:
        customer = db.execute(
            "INSERT INTO customer (name) VALUES (%s) RETURNING id", [name]
        ).fetchone()[0]
        db.execute("INSERT INTO wallet (account) VALUES (%s)", [f"wallet:{customer}"])
        db.execute("INSERT INTO api_key VALUES (%s, %s)", (digest(key), customer))
    return {"customer": customer, "api_key": key}  # shown once, never stored


async def raw_body(request: Request) -> bytes:
    return await request.body()


@app.post("/webhooks/payment")
def payment(
    body: bytes = Depends(raw_body),
    timestamp: str = Header(),
    signature: str = Header(),
) -> dict:
    signed = timestamp.encode() + b"." + body
    expected = hmac.new(PSP_SECRET, signed, "sha256").hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise HTTPException(400, "bad signature")
    if abs(time.time() - int(timestamp)) > 300:
        raise HTTPException(400, "stale event")
    event = json.loads(body)
    amount = event["cents"] * CENT
    sides = {"psp": -amount, f"wallet:{event['customer']}": amount}
    try:
        with psycopg.connect(DSN) as db:
            post(db, "topup", event["id"], sides)
    except psycopg.errors.UniqueViolation:
        pass  # delivered before: acknowledge, or the provider goes on retrying
    return {"received": True}


@app.get("/v1/bill")
def bill(customer: int = Depends(authenticate)) -> dict:
    wallet = f"wallet:{customer}"
    # Lines come from the calls, the balance from the ledger: they must agree.
    with psycopg.connect(DSN) as db:
        lines = db.execute(
            """SELECT model, count(*), sum(charge)::bigint FROM call
               WHERE customer = %s AND state = 'settled'
               GROUP BY model ORDER BY model""",
            [customer],
        ).fetchall()
        topped_up = db.execute(
            """SELECT coalesce(sum(amount), 0)::bigint
               FROM posting JOIN transfer ON id = transfer
               WHERE account = %s AND kind = 'topup'""",
            [wallet],
        ).fetchone()[0]
        balance = db.execute(
            "SELECT balance FROM wallet WHERE account = %s", [wallet]
        ).fetchone()[0]
    cents = to_cents({model: micro for model, _, micro in lines})
    return {
        "topped_up": topped_up,
        "balance": balance,
        "charged": sum(micro for *_, micro in lines),
        "cents": sum(cents.values()),
        "lines": [
            {"model": a, "calls": n, "u$": micro, "cents": cents[a]}
            for a, n, micro in lines
        ],
    }


class Generate(BaseModel):
    prompt: str = Field(max_length=2_000)
    # Without ge=1 a negative number would be a negative hold: free money.
    max_tokens: int = Field(16, ge=1, le=64)


class Vision(BaseModel):
    pixels: list[float] = Field(min_length=64, max_length=64)


def most(body: Generate | Vision) -> dict[str, int]:
    """The most this call can use: what has to be held before it runs."""
    if isinstance(body, Vision):
        return {"image": 1}
    return {"input_token": len(tokenize(body.prompt)), "output_token": body.max_tokens}


# --8<-- [start:serve]
def serve(model: str, customer: int, key: str, body: Generate | Vision) -> dict:
    wallet = f"wallet:{customer}"
    request = digest(model + body.model_dump_json())
    try:
        # Transaction 1: claim the key, fix the price version, hold the money.
        with psycopg.connect(DSN) as db:
            version = db.execute("SELECT max(version) FROM price").fetchone()[0]
            hold = rate(db, version, model, most(body))
            claimed = db.execute(
                """INSERT INTO call (customer, key, request, model, price_version, hold)
                   VALUES (%s, %s, %s, %s, %s, %s)
                   ON CONFLICT (customer, key) WHERE state <> 'failed' DO NOTHING
                   RETURNING id""",
                (customer, key, request, model, version, hold),
            ).fetchone()
            if claimed is None:
                return replay(db, customer, key, request)
            (call,) = claimed
            post(db, "hold", call, {wallet: -hold, "held": hold})
            workers = [url for (url,) in db.execute("SELECT url FROM worker")]
    except psycopg.errors.CheckViolation:  # wallet.balance >= 0
        raise HTTPException(402, "not enough funds") from None

    # No lock is held while the model runs.
    try:
        reply = scheduler.run(workers, model, body.model_dump())
    except NoWorker:
        with psycopg.connect(DSN) as db:
            post(db, "release", call, {"held": -hold, wallet: hold})
            db.execute("UPDATE call SET state = 'failed' WHERE id = %s", [call])
        raise HTTPException(503, "no worker available", {"Retry-After": "1"}) from None

    # Transaction 2: charge what was used, give back the rest, keep the answer.
    with psycopg.connect(DSN) as db:
        charge = min(hold, rate(db, version, model, reply["usage"]))
        sides = {"held": -hold, "revenue": charge, wallet: hold - charge}
        post(db, "settle", call, sides)
        response = {"id": call, **reply, "charge": charge}
        db.execute(
            """UPDATE call SET state = 'settled', usage = %s, charge = %s, response = %s
               WHERE id = %s""",
            (json.dumps(reply["usage"]), charge, json.dumps(response), call),
        )
    return response


# --8<-- [end:serve]


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


@app.post("/v1/generate")
def generate(
    body: Generate,
    customer: int = Depends(authenticate),
    idempotency_key: str = Header(),
) -> dict:
    return serve("generate", customer, idempotency_key, body)


@app.post("/v1/vision")
def vision(
    body: Vision, customer: int = Depends(authenticate), idempotency_key: str = Header()
) -> dict:
    return serve("vision", customer, idempotency_key, body)


@app.middleware("http")
async def write_log(request: Request, call_next):
    response = await call_next(request)
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    entry = {
        "caller": digest(key).hex()[:8],
        "path": request.url.path,
        "status": response.status_code,
    }
    with log.open("a") as lines:  # who, what, result; never the key or the prompt
        lines.write(json.dumps(entry) + "\n")
    return response


if __name__ == "__main__":
    listening = socket.socket(fileno=int(sys.argv[1]))
    uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listening])
