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
from collections.abc import AsyncIterator

import httpx
import psycopg
import uvicorn
from calls import Call, release, reserve, settle
from fastapi import Depends, FastAPI, Header, HTTPException, Request
from fastapi.responses import StreamingResponse
from ledger import post
from money import CENT, to_cents
from pydantic import BaseModel, Field
from scheduler import NoWorker, Scheduler

DSN, PSP_SECRET = os.environ["DSN"], os.environ["PSP_SECRET"].encode()
HTTP = httpx.AsyncClient(timeout=30)
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


class Completion(BaseModel):
    prompt: str = Field(max_length=2_000)
    # Without ge=1 a negative number would be a negative hold: free money.
    max_tokens: int = Field(16, ge=1, le=400)
    stream: bool = False


class Vision(BaseModel):
    pixels: list[float] = Field(min_length=64, max_length=64)


PATHS = {"generate": "/v1/completions", "vision": "/v1/vision"}


def most(body: Completion | Vision) -> dict[str, int]:
    """The most this call can use: what has to be held before it runs."""
    if isinstance(body, Vision):
        return {"image": 1}
    # No token is shorter than a byte; a real gateway has the model's tokenizer.
    return {"input_token": len(body.prompt.encode()), "output_token": body.max_tokens}


def used(reply: dict) -> dict[str, int]:
    """What the worker says it has done so far. llama.cpp's prompt_n leaves the cached out."""
    if "usage" in reply and "image" in reply["usage"]:
        return reply["usage"]
    counts = reply["timings"]
    names = {"input_token": "prompt_n", "cached_token": "cache_n"}
    names["output_token"] = "predicted_n"
    return {unit: counts[name] for unit, name in names.items()}


def begin(model: str, customer: int, key: str, body: Completion | Vision):
    """The call and its workers; or the answer of a call that has ended, and none."""
    request = digest(model + body.model_dump_json(exclude={"stream"}))
    try:
        with psycopg.connect(DSN) as db:
            found = db.execute("SELECT url FROM worker WHERE model = %s", [model])
            workers = [url for (url,) in found]
            call = reserve(db, customer, model, key, request, most(body))
    except psycopg.errors.CheckViolation:  # wallet.balance >= 0
        raise HTTPException(402, "not enough funds") from None
    return call, workers if isinstance(call, Call) else []


def serve(model: str, customer: int, key: str, body: Completion | Vision) -> dict:
    call, workers = begin(model, customer, key, body)
    if not isinstance(call, Call):
        return call
    # No lock is held while the model runs.
    try:
        ask = body.model_dump() | ({"temperature": 0} if model == "generate" else {})
        reply = scheduler.run(workers, PATHS[model], ask)
    except NoWorker:
        with psycopg.connect(DSN) as db:
            release(db, call)
        raise HTTPException(503, "no worker available", {"Retry-After": "1"}) from None
    output = reply["choices"][0]["text"] if model == "generate" else reply["output"]
    with psycopg.connect(DSN) as db:
        return settle(db, call, output, used(reply))


# --8<-- [start:stream]
async def stream(call: Call, workers: list[str], body: dict) -> AsyncIterator[str]:
    """Pass an engine's chunks on; who hangs up pays for what arrived here until then."""
    output, usage = "", None
    ask = body | {"temperature": 0, "timings_per_token": True}  # counts in every chunk
    try:
        for url in scheduler.ranked(workers):
            path = f"{url}/v1/completions"
            try:
                with scheduler.slot(url):
                    async with HTTP.stream("POST", path, json=ask) as answer:
                        answer.raise_for_status()
                        async for line in answer.aiter_lines():
                            if line.startswith("data: {"):
                                chunk = json.loads(line[6:])
                                output += chunk["choices"][0]["text"]
                                usage = used(chunk)  # so far: the last one counts
                            yield line + "\n"
                return
            except (httpx.HTTPError, NoWorker):
                if usage:  # the client has heard the beginning: no other engine
                    break
        usage = None  # our fault: nothing is charged
        yield 'data: {"error": "the engine failed, nothing is charged"}\n\n'
    finally:
        # Also when the client has gone: leaving the `with` has made the engine stop.
        with psycopg.connect(DSN) as db:
            settle(db, call, output, usage) if usage else release(db, call)


# --8<-- [end:stream]


@app.post("/v1/completions")
def completions(
    body: Completion,
    customer: int = Depends(authenticate),
    idempotency_key: str = Header(),
):
    if not body.stream:
        return serve("generate", customer, idempotency_key, body)
    call, workers = begin("generate", customer, idempotency_key, body)
    if not isinstance(call, Call):
        return call
    return StreamingResponse(stream(call, workers, body.model_dump()))


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
        "gateway": os.getpid(),
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
