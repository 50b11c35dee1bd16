"""A gateway before one engine: quotas, a bounded queue in order of priority, deadlines, cancelling.

Its clock counts tokens that the engine has made, not seconds."""

import asyncio
import heapq
import itertools
import math
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pandas as pd
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

TOKENS_PER_S = 20  # assumed of the engine; turns a backlog into seconds


class Call(BaseModel):
    prompt: str = "Once"
    tokens: int
    tenant: str = ""
    priority: int = 0  # lower goes first
    deadline: int | None = None  # tokens from now


class Gateway:
    def __init__(self, engine: str, seats: int, max_backlog=math.inf, quota=None):
        self.engine, self.free = engine, seats
        self.max_backlog, self.quota = max_backlog, quota
        self.made = self.backlog = 0  # tokens made; tokens promised and not yet made
        self.waiting, self.arrivals = [], itertools.count()
        self.order = []  # who began
        self.ended = []  # the clock when each answer was ready

    # --8<-- [start:admit]
    def admit(self, call: Call) -> None:
        excess = self.backlog + call.tokens - self.max_backlog
        if excess > 0:  # the server's state, first: nobody's quota pays for it
            raise refusal(503, "queue full", excess / TOKENS_PER_S)
        if self.quota and (wait_s := self.quota.take(call)):  # the caller's doing
            raise refusal(429, "over your quota", wait_s)
        self.backlog += call.tokens

    # --8<-- [end:admit]

    async def seat(self, priority: int) -> None:
        if self.free:
            self.free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(self.waiting, (priority, next(self.arrivals), turn))
        await turn

    def release(self) -> None:
        if self.waiting:
            heapq.heappop(self.waiting)[2].set_result(None)
        else:
            self.free += 1

    async def start(self, call: Call, request: Request) -> None:
        """Wait for a seat; nobody is served who has left, or whose deadline has passed."""
        due = math.inf if call.deadline is None else self.made + call.deadline
        self.admit(call)
        await self.seat(call.priority)
        self.order.append(call.tenant)
        gone = await request.is_disconnected()
        if gone or self.made >= due:
            self.finish(call)
            raise refusal(503, "left" if gone else "too late to begin", 1)

    def finish(self, call: Call) -> None:
        self.backlog -= call.tokens
        self.release()

    async def tokens(self, call: Call) -> AsyncIterator[str]:
        body = {"n_predict": call.tokens, "ignore_eos": True, "temperature": 0}
        body |= {"prompt": call.prompt, "stream": True, "cache_prompt": False}
        try:
            # Leaving this block closes the connection, and the engine stops.
            url = f"{self.engine}/completion"
            async with self.client.stream("POST", url, json=body) as answer:
                async for line in answer.aiter_lines():
                    if '"stop":false' in line:
                        self.made += 1
                        yield line + "\n\n"
        finally:
            self.ended.append(self.made)
            self.finish(call)

    async def streamed(self, call: Call, request: Request) -> StreamingResponse:
        await self.start(call, request)
        return StreamingResponse(self.tokens(call), media_type="text/event-stream")

    async def plain(self, call: Call, request: Request) -> dict:
        await self.start(call, request)
        return {"events": [event async for event in self.tokens(call)]}


def refusal(status: int, reason: str, wait_s: float) -> HTTPException:
    return HTTPException(status, reason, {"Retry-After": str(math.ceil(wait_s))})


class Quota:
    """Token buckets, one a tenant: take, or say how many seconds to wait."""

    def __init__(self, unit: str, burst: float, per_s: float, clock):
        self.unit, self.burst, self.per_s, self.clock = unit, burst, per_s, clock
        self.levels: dict[str, tuple[float, float]] = {}

    def take(self, call: Call) -> float:
        now = self.clock()
        level, filled_at = self.levels.get(call.tenant, (self.burst, now))
        level = min(self.burst, level + (now - filled_at) * self.per_s)
        cost = call.tokens if self.unit == "tokens" else 1
        short = max(0, cost - level)
        self.levels[call.tenant] = (level if short else level - cost, now)
        return short / self.per_s


@asynccontextmanager
async def serve(gateway: Gateway) -> AsyncIterator[httpx.AsyncClient]:
    """The gateway on a port of its own, and a client of it."""
    app = FastAPI()
    app.post("/generate")(gateway.streamed)
    app.post("/plain")(gateway.plain)
    settings = uvicorn.Config(app, log_level="error", lifespan="off")
    server = uvicorn.Server(settings)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        task = asyncio.create_task(server.serve([listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        # A connection a call: the engine closes those that stay idle.
        limits = httpx.Limits(max_keepalive_connections=0)
        options = {"timeout": 60, "trust_env": False, "limits": limits}
        async with (
            httpx.AsyncClient(**options) as gateway.client,
            httpx.AsyncClient(base_url=address, **options) as client,
        ):
            yield client
            server.should_exit = True
            await task


def verdict(gateway: Gateway, call: Call) -> tuple[int, int]:
    """The status, and how many seconds the caller is told to wait."""
    try:
        gateway.admit(call)
    except HTTPException as refused:
        return refused.status_code, int(refused.headers["Retry-After"])
    return 200, 0


async def burst(gateway: Gateway, count: int, call: dict) -> list[int]:
    """The statuses of calls that are sent at once."""
    async with serve(gateway) as client:
        calls = [client.post("/generate", json=call) for _ in range(count)]
        answers = await asyncio.gather(*calls)
    for answer in answers:
        assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    return [answer.status_code for answer in answers]


async def in_turn(gateway: Gateway, calls: list[dict]) -> list[str]:
    """The tenants in the order in which they began, after all have waited together."""
    async with serve(gateway) as client:
        tasks = []
        for number, call in enumerate(calls, 1):
            tasks.append(asyncio.create_task(client.post("/generate", json=call)))
            while len(gateway.waiting) < number:
                await asyncio.sleep(0.001)
        for _ in range(4):
            gateway.release()
        answers = await asyncio.gather(*tasks)
    assert {answer.status_code for answer in answers} == {200}
    return gateway.order


async def admissions(engine, count: int, tokens: int, deadline: int) -> pd.DataFrame:
    """What becomes of the same burst under three kinds of admission."""
    kinds = {
        "no limit": ({}, math.inf),
        "expired are dropped": ({"deadline": deadline}, math.inf),
        "refused on arrival": ({}, deadline),
    }
    rows = {}
    for name, (call, max_backlog) in kinds.items():
        gateway = Gateway(engine.address, seats=4, max_backlog=max_backlog)
        statuses = await burst(gateway, count, call | {"tokens": tokens})
        assert set(statuses) <= {200, 503}
        assert gateway.made == tokens * statuses.count(200)
        in_time = sum(made <= deadline for made in gateway.ended)
        rows[name] = in_time, len(gateway.ended) - in_time, statuses.count(503)
    return pd.DataFrame(rows, index=["in time", "late", "refused (503)"]).T


async def batch_ahead(engine, interactive: int) -> int:
    """Of 8 batch calls that wait, how many begin before 2 interactive ones?"""
    calls = [{"tenant": "batch", "priority": 1, "tokens": 1}] * 8
    calls += [{"tenant": "interactive", "priority": interactive, "tokens": 1}] * 2
    order = await in_turn(Gateway(engine.address, seats=0), calls)
    last = max(i for i, tenant in enumerate(order) if tenant == "interactive")
    return order[:last].count("batch")


def limited(traffic: list[tuple[str, int]], unit: str, size: int) -> pd.DataFrame:
    """Refusals and tokens admitted, by tenant; the bucket does not refill."""
    gateway = Gateway("", 4, quota=Quota(unit, size, per_s=1, clock=lambda: 0))
    log = []
    for tenant, tokens in traffic:
        status, _ = verdict(gateway, Call(tenant=tenant, tokens=tokens))
        log.append((tenant, status == 429, tokens * (status == 200)))
    log = pd.DataFrame(log, columns=["tenant", "refused (429)", "tokens admitted"])
    return log.groupby("tenant").sum()


async def abandoned(engine, length: int, after: int) -> tuple[int, int]:
    """Tokens made for a stream and for a plain call whose callers leave after a few."""
    gateway, call = Gateway(engine.address, seats=4), {"tokens": length}

    async def idle() -> int:
        while gateway.free < 4:
            await asyncio.sleep(0.01)
        return gateway.made

    async with serve(gateway) as client:
        async with client.stream("POST", "/generate", json=call) as answer:
            async for _ in answer.aiter_lines():
                if gateway.made >= after:
                    break  # leaving the block disconnects
        streamed = await idle()
        plain = asyncio.create_task(client.post("/plain", json=call))
        while gateway.made < streamed + after:
            await asyncio.sleep(0.001)
        plain.cancel()  # disconnects too
        await asyncio.wait([plain])
        return streamed, await idle() - streamed


async def left_waiting(engine, length: int) -> int:
    """Tokens made for a plain call whose caller leaves the queue before its turn."""
    gateway = Gateway(engine.address, seats=0)
    async with serve(gateway) as client:
        call = asyncio.create_task(client.post("/plain", json={"tokens": length}))
        while not gateway.waiting:
            await asyncio.sleep(0.001)
        call.cancel()
        await asyncio.wait([call])
        await asyncio.sleep(0.1)  # the gateway must see the connection close
        gateway.release()
        while not gateway.free:
            await asyncio.sleep(0.001)
    assert len(gateway.order) == 1  # it had waited, and its turn came
    return gateway.made
