"""A payment provider and a mail service in small, over HTTP, with the faults of real ones."""

import asyncio
import csv
import heapq
import io
import itertools
import json
import math
import time
from collections.abc import AsyncIterator, Callable
from decimal import Decimal

import httpx
from fastapi import FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse, StreamingResponse
from stripe import WebhookSignature

# Seconds between tries: the schedule that WeChat Pay publishes.
RETRY_AFTER = [15, 15, 30, 180, 600, 1200, 1800, 1800, 1800]
RETRY_AFTER += [3600, 10_800, 10_800, 10_800, 21_600, 21_600]
DISPUTE_FEE = 1_500  # cents


def fee(cents: int) -> int:
    """2.9% + 30 cents, rounded half up."""
    return (cents * 29 + 500) // 1000 + 30


class Clock:
    """Days pass in no time; the provider and the tests look at this clock."""

    def __init__(self) -> None:
        self.now = time.time()


class Provider:
    def __init__(self, clock: Clock, secret: str, webhook_url: str) -> None:
        self.clock, self.secret = clock, secret
        self.webhooks, self.webhook_url = httpx.Client(), webhook_url
        self.movements: list[dict] = []  # charges, refunds and disputes as they are now
        self.lines: list[tuple[str, str, int, int]] = []  # payment, kind, gross, fee
        self.answers: dict[str, tuple[int, dict]] = {}  # by idempotency key
        self.running: set[str] = set()  # keys whose first request has not ended
        self.declines: dict[str, Callable[[], str]] = {}  # by card: the code, or ""
        self.mails: dict[str, list] = {}  # by idempotency key
        self.mail_requests = 0
        # Faults, by payment:
        # "late", "busy", "cut" or "500", after the work is done; "throttled", before
        self.answering: dict[str, str] = {}
        self.copies: dict[str, int] = {}  # deliveries of each event
        self.twins: set[str] = set()  # each fact becomes two events
        self.lost: set[str] = set()  # no webhook arrives
        self.delay: dict[tuple[str, str], int] = {}  # (payment, kind): seconds
        self.fees: dict[str, int] = {}  # charged otherwise than agreed: cents
        self.kept = 0  # cents that a bank on the way keeps: they are in no file
        self.queue: list[tuple[float, int, int, str, str]] = []
        self.log: list[tuple[str, float, int]] = []
        self.sent: dict[str, str] = {}  # by payment: its last event
        self.serial = itertools.count(1)
        self.app = self.routes()

    def of(self, payment: str, kind: str = "charge") -> list[dict]:
        return [
            m for m in self.movements if (m["payment"], m["kind"]) == (payment, kind)
        ]

    def move(self, charge: dict, kind: str, cents: int, status: str) -> dict:
        """Something new happens to a charge."""
        movement = charge | {
            "id": f"{kind}_{next(self.serial)}",
            "kind": kind,
            "amount": cents,
            "status": status,
        }
        self.movements.append(movement)
        self.emit(movement)
        return movement

    def charge(self, request: dict) -> dict:
        code = self.declines.get(request.get("card", ""), str)()
        fields = {name: request[name] for name in ("payment", "amount", "currency")}
        number = next(self.serial)  # another try within an intent is another charge
        started = fields | {"id": f"ch_{number}", "kind": "charge"}
        started["intent"] = request.get("intent", f"pi_{number}")
        started |= {"status": "processing", "code": ""}
        ended = started | {"status": "failed" if code else "succeeded", "code": code}
        self.movements.append(ended)
        self.emit(started)
        self.emit(ended, after=1)
        if not code:
            gross, payment = ended["amount"], ended["payment"]
            cost = self.fees.get(payment, fee(gross))
            self.lines.append((payment, "charge", gross, cost))
        # With the customer still at the bank, the outcome comes by webhook only.
        return ended if request.get("off_session") else started

    def refund(self, charge: str, cents: int, fails: bool = False) -> None:
        [paid] = [m for m in self.movements if m["id"] == charge]
        refund = self.move(paid, "refund", cents, "pending")
        self.lines.append((paid["payment"], "refund", -cents, 0))
        self.emit(refund | {"status": "succeeded"}, after=5)
        refund["status"] = "succeeded"
        if fails:  # the customer's bank sends it back
            refund["status"] = "failed"
            self.emit(refund, after=86_400)
            self.lines.append((paid["payment"], "refund failed", cents, 0))

    def inquire(self, payment: str) -> None:
        """The bank asks before it disputes, and takes nothing yet."""
        [paid] = self.of(payment)
        self.move(paid, "dispute", paid["amount"], "inquiry")

    def dispute(self, payment: str, cents: int, ends: str = "") -> None:
        [paid] = self.of(payment)
        dispute = self.move(paid, "dispute", cents, "open")
        self.lines.append((payment, "dispute", -cents, DISPUTE_FEE))
        if ends:
            dispute["status"] = ends
            self.emit(dispute, after=5)
        if ends == "won":  # the fee is not given back
            self.lines.append((payment, "dispute won", cents, 0))

    def emit(self, movement: dict, after: float = 0) -> None:
        """Queue what just became true as one event."""
        payment, kind = movement["payment"], movement["kind"]
        due = self.clock.now + after + self.delay.get((payment, kind), 0)
        for _ in range(1 + (payment in self.twins)):
            event = {"id": f"evt_{next(self.serial)}", "object": "event"}
            text = json.dumps(event | {"data": movement}, separators=(",", ":"))
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

    def sign(self, text: str, age: int = 0, secret: str = "") -> str:
        """Each delivery is signed anew, by the clock on the wall."""
        return WebhookSignature.generate_signature_header(
            text, secret or self.secret, int(time.time()) - age
        )

    def send(self, text: str, header: str) -> int:
        headers = {"Signature": header}
        answer = self.webhooks.post(self.webhook_url, content=text, headers=headers)
        return answer.status_code

    def settlement(self) -> str:
        """The file of what was paid out: dollars, as text."""
        out = io.StringIO()
        rows = csv.writer(out)
        rows.writerow(["id", "payment", "kind", "gross", "fee", "net"])
        for i, (payment, kind, gross, cost) in enumerate(self.lines):
            amounts = [f"{cents / 100:.2f}" for cents in (gross, cost, gross - cost)]
            rows.writerow([f"txn_{i}", payment, kind, *amounts])
        return out.getvalue()

    def paid_out(self) -> Decimal:
        """Dollars that arrive at the merchant's bank."""
        cents = sum(gross - cost for *_, gross, cost in self.lines) - self.kept
        return Decimal(cents) / 100

    async def answer(self, request: Request, key: str) -> Response:
        body = await request.json()
        fault = self.answering.get(body["payment"], "")
        if body["amount"] < 50:
            return JSONResponse({"error": "amount_too_small"}, 400)
        if fault == "throttled":  # before the key is looked at
            del self.answering[body["payment"]]
            return JSONResponse({"error": "rate_limit"}, 429)
        if key in self.running:
            self.running.remove(key)
            return JSONResponse({"error": "idempotency_key_in_use"}, 409)
        first = key not in self.answers
        if first:
            answer = self.charge(body)
            status = 402 if answer["code"] else 200
            self.answers[key] = (
                (500, {"error": "?"}) if fault == "500" else (status, answer)
            )
        if first and fault in ("late", "busy"):
            self.running |= {key} if fault == "busy" else set()
            while not await request.is_disconnected():
                await asyncio.sleep(0.01)
        if first and fault == "cut":
            return StreamingResponse(cut_off())
        status, content = self.answers[key]  # replayed as it was, 500 or not
        return JSONResponse(content, status)

    def routes(self) -> FastAPI:
        app = FastAPI()

        @app.post("/v1/payments")
        async def pay(request: Request, idempotency_key: str = Header()) -> Response:
            return await self.answer(request, idempotency_key)

        @app.get("/v1/payments/{payment}")
        async def find(payment: str) -> list[dict]:
            return [m for m in self.movements if m["payment"] == payment]

        @app.post("/v1/refunds")
        async def refund(body: dict) -> None:
            self.refund(body["charge"], body["amount"])

        @app.get("/v1/settlement")
        async def settlement() -> PlainTextResponse:
            return PlainTextResponse(self.settlement())

        @app.post("/mail")
        async def mail(message: list[str], idempotency_key: str = Header()) -> dict:
            self.mail_requests += 1
            self.mails.setdefault(idempotency_key, message)
            return {}

        return app


async def cut_off() -> AsyncIterator[bytes]:
    yield b"{"
    raise ConnectionResetError
