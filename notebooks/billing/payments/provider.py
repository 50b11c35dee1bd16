"""A payment provider and a mail service in small, over HTTP, with the faults of real ones."""

import asyncio
import csv
import heapq
import io
import itertools
import json
import math
import time
from collections.abc import Callable

import httpx
from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse, PlainTextResponse
from stripe import WebhookSignature

# Seconds between tries: the schedule that WeChat Pay publishes.
RETRY_AFTER = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800]
RETRY_AFTER += [3600, 10_800, 10_800, 10_800, 21_600, 21_600]


def fee(cents: int) -> int:
    """2.9% + 30 cents, rounded half up."""
    return (cents * 29 + 500) // 1000 + 30


class Clock:
    """Days pass in no time; both sides look at this clock."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


class Provider:
    def __init__(self, clock: Clock, secret: str, webhook_url: str) -> None:
        self.clock, self.secret = clock, secret
        self.webhooks, self.webhook_url = httpx.Client(), webhook_url
        self.charges: list[dict] = []
        self.answers: dict[str, dict] = {}  # by idempotency key
        self.declines: dict[str, Callable[[], str]] = {}  # by card: the code, or ""
        self.mails: dict[str, list] = {}  # by idempotency key
        self.mail_requests = 0
        # Faults, by payment:
        self.slow: set[str] = set()  # the first answer for a key comes too late
        self.copies: dict[str, int] = {}  # deliveries of each event
        self.twins: set[str] = set()  # each fact becomes two events
        self.lost: set[str] = set()  # no webhook arrives
        self.delay: dict[tuple[str, str], int] = {}  # (payment, status): seconds
        self.fees: dict[str, int] = {}  # charged otherwise than agreed: cents
        self.queue: list[tuple[float, int, int, str, str]] = []
        self.log: list[tuple[str, float, int]] = []
        self.sent: dict[str, str] = {}  # by payment: its last event
        self.serial = itertools.count(1)
        self.app = self.routes()

    def of(self, payment: str) -> list[dict]:
        return [c for c in self.charges if c["payment"] == payment]

    def charge(self, request: dict) -> dict:
        code = self.declines.get(request.get("card", ""), str)()
        snapshot = {
            "charge": f"ch_{next(self.serial)}",
            "payment": request["payment"],
            "amount": request["amount"],
            "currency": request["currency"],
            "status": "failed" if code else "succeeded",
            "code": code,
            "refunded": 0,
        }
        self.charges.append(snapshot)
        started = snapshot | {"status": "processing", "code": ""}
        self.emit(started)
        self.emit(snapshot, after=1)
        # With the customer still at the bank, the outcome comes by webhook only.
        return dict(snapshot if request.get("off_session") else started)

    def refund(self, charge: str, cents: int) -> dict:
        [snapshot] = [c for c in self.charges if c["charge"] == charge]
        snapshot |= {"refunded": snapshot["refunded"] + cents, "status": "refunded"}
        self.emit(snapshot, after=5)
        return snapshot

    def dispute(self, payment: str, status: str) -> None:
        [snapshot] = self.of(payment)
        snapshot["status"] = status
        self.emit(snapshot, after=5)

    def emit(self, snapshot: dict, after: float = 0) -> None:
        """Queue what just became true of a charge as one event."""
        payment = snapshot["payment"]
        due = self.clock.now + after + self.delay.get((payment, snapshot["status"]), 0)
        for _ in range(1 + (payment in self.twins)):
            event = {"id": f"evt_{next(self.serial)}", "object": "event"}
            text = json.dumps(event | {"data": snapshot}, separators=(",", ":"))
            for _ in range(self.copies.get(payment, 1)):
                heapq.heappush(self.queue, (due, next(self.serial), 0, payment, text))

    def deliver(self, seconds: float = math.inf) -> int:
        """Let time pass, and make the deliveries that fall due; the last answer."""
        status = 0
        end = self.clock.now + seconds
        while self.queue and self.queue[0][0] <= end:
            self.clock.now, serial, tries, payment, text = heapq.heappop(self.queue)
            self.sent[payment] = text
            if payment in self.lost:
                continue
            status = self.post(text)
            self.log.append((payment, self.clock.now, status))
            if status != 200 and tries < len(RETRY_AFTER):
                due = self.clock.now + RETRY_AFTER[tries]
                heapq.heappush(self.queue, (due, serial, tries + 1, payment, text))
        if seconds < math.inf:
            self.clock.now = end
        return status

    def post(self, text: str, age: int = 0) -> int:
        """One signed delivery; the status, or 0 if nobody is there."""
        try:
            return self.send(text, self.sign(text, age))
        except httpx.ConnectError:
            return 0

    def sign(self, text: str, age: int = 0) -> str:
        return WebhookSignature.generate_signature_header(
            text, self.secret, int(self.clock.now) - age
        )

    def send(self, text: str, header: str) -> int:
        headers = {"Signature": header}
        answer = self.webhooks.post(self.webhook_url, content=text, headers=headers)
        return answer.status_code

    def settlement(self) -> str:
        """The file of the charges collected: dollars, as text."""
        out = io.StringIO()
        rows = csv.writer(out)
        rows.writerow(["charge", "payment", "gross", "fee", "net"])
        for charge in self.charges:
            if charge["status"] != "failed":
                gross, payment = charge["amount"], charge["payment"]
                cost = self.fees.get(payment, fee(gross))
                amounts = [
                    f"{c // 100}.{c % 100:02}" for c in (gross, cost, gross - cost)
                ]
                rows.writerow([charge["charge"], payment, *amounts])
        return out.getvalue()

    def routes(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/payments")
        async def pay(request: Request, idempotency_key: str = Header()):
            body = await request.json()
            if first := idempotency_key not in self.answers:
                self.answers[idempotency_key] = self.charge(body)
            if first and body["payment"] in self.slow:  # the work is done
                while not await request.is_disconnected():
                    await asyncio.sleep(0.01)
            answer = self.answers[idempotency_key]
            return JSONResponse(answer, 402 if answer["code"] else 200)

        @app.get("/v1/payments/{payment}")
        async def find(payment: str) -> list[dict]:
            return self.of(payment)

        @app.post("/v1/refunds")
        async def refund(body: dict) -> dict:
            return self.refund(body["charge"], body["amount"])

        @app.get("/v1/settlement")
        async def settlement() -> PlainTextResponse:
            return PlainTextResponse(self.settlement())

        @app.post("/mail")
        async def mail(message: list[str], idempotency_key: str = Header()) -> dict:
            self.mail_requests += 1
            self.mails.setdefault(idempotency_key, message)
            return {}

        return app
