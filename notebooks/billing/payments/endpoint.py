"""Our side of the webhook: verify the raw bytes, write them down, say 200. Nothing else."""

import json
from collections.abc import Callable, Sequence

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from psycopg import Connection
from signatures import BadSignature, verify


async def raw_body(request: Request) -> bytes:
    return await request.body()


def endpoint(
    db: Connection, secrets: Sequence[str], now: Callable[[], float]
) -> FastAPI:
    app = FastAPI()

    # --8<-- [start:receive]
    @app.post("/webhooks/payments")
    def receive(body: bytes = Depends(raw_body), signature: str = Header("")) -> dict:
        try:
            verify(body, signature, secrets, now())
        except BadSignature:
            raise HTTPException(400, "bad signature") from None
        event = json.loads(body)  # only now
        db.execute(
            "INSERT INTO inbox (event, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (event["id"], body.decode()),
        )
        return {"received": True}  # committed; what it means is worked out apart

    @app.get("/topup/done")  # where the browser lands: reads, never writes
    def done(payment: str) -> dict:
        query = "SELECT state FROM payment WHERE id = %s"
        return {"state": db.execute(query, (payment,)).fetchone()[0]}

    # --8<-- [end:receive]

    return app
