"""Our side of the webhook: verify the raw bytes, write them down, say 200. Nothing else."""

import json

from fastapi import Depends, FastAPI, Header, HTTPException, Request
from psycopg import Connection
from stripe import SignatureVerificationError, WebhookSignature


async def raw_body(request: Request) -> bytes:
    return await request.body()


def endpoint(db: Connection, secret: str) -> FastAPI:
    app = FastAPI()

    # --8<-- [start:receive]
    @app.post("/webhooks/payments")
    def receive(body: bytes = Depends(raw_body), signature: str = Header("")) -> dict:
        try:
            WebhookSignature.verify_header(body, signature, secret, tolerance=300)
        except SignatureVerificationError:
            raise HTTPException(400, "bad signature") from None
        event = json.loads(body)  # only now
        db.execute(
            "INSERT INTO inbox (event, body) VALUES (%s, %s) ON CONFLICT DO NOTHING",
            (event["id"], body.decode()),
        )
        return {"received": True}  # committed; what it means is worked out apart

    # --8<-- [end:receive]

    @app.get("/topup/done")  # where the browser lands: reads, never writes
    def done(payment: str) -> dict:
        query = "SELECT count(*) > 0 FROM entry WHERE payment = %s"
        return {"credited": db.execute(query, (payment,)).fetchone()[0]}

    return app
