"""One model replica behind HTTP: python replica.py SECONDS_PER_TOKEN (prints its port).

Four sequences decode at once, the others wait in a bounded priority queue. A token is a sleep, so that
nothing measured here depends on the processor."""

import asyncio
import heapq
import itertools
import socket
import sys
import time
from collections import Counter, OrderedDict
from contextlib import asynccontextmanager

import uvicorn
from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from limits import charge

SLOTS, MAX_QUEUE, CACHED_PREFIXES, PREFILL_STEPS = 4, 64, 8, 8
app, stats, cached, arrivals = FastAPI(), Counter(), OrderedDict(), itertools.count()
state = {"step_s": float(sys.argv[1]), "broken": False, "free": SLOTS}
# A heap: the lowest priority value first, then the oldest.
waiting: list[tuple[int, int, asyncio.Future]] = []


def refuse_if_full() -> None:
    """Back-pressure: refuse now rather than answer too late."""
    if not state["free"] and len(waiting) >= MAX_QUEUE:
        stats["refused"] += 1
        raise HTTPException(503, "queue full", {"Retry-After": "1"})


def release() -> None:
    while waiting:
        turn = heapq.heappop(waiting)[2]
        if not turn.done():  # a waiter that has gone is passed over
            return turn.set_result(None)
    state["free"] += 1


@asynccontextmanager
async def slot(priority: int):
    if state["free"]:
        state["free"] -= 1
    else:
        turn = asyncio.get_running_loop().create_future()
        heapq.heappush(waiting, (priority, next(arrivals), turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                release()  # it was our turn already: hand it on
            raise
    try:
        yield
    finally:
        release()  # also when the client has gone


async def prefill(prefix: str) -> None:
    hit = prefix in cached
    stats["prefix_hits" if hit else "prefix_misses"] += 1
    cached[prefix] = cached.pop(prefix, True)  # most recently used last
    if len(cached) > CACHED_PREFIXES:
        cached.popitem(last=False)
    await asyncio.sleep(state["step_s"] * (1 if hit else PREFILL_STEPS))


async def decode(tokens: int):
    for i in range(tokens):
        await asyncio.sleep(state["step_s"])
        stats["tokens"] += 1
        yield f"data: {i}\n\n"


@app.post("/generate")
async def generate(tokens: int, priority: int = 0, prefix: str = ""):
    stats["requests"] += 1
    if state["broken"]:
        raise HTTPException(500, "injected fault")  # a broken replica fails fast
    refuse_if_full()
    async with slot(priority):
        if prefix:
            await prefill(prefix)
        return {"text": [t async for t in decode(tokens)]}


@app.post("/limited")
async def limited(tenant: str, unit: str, prompt_tokens: int, max_tokens: int):
    charge(tenant, unit, prompt_tokens + max_tokens)
    return await generate(tokens=1)


@app.post("/stream")
async def stream(tokens: int, priority: int = 0):
    refuse_if_full()

    async def events():
        async with slot(priority):
            async for event in decode(tokens):
                yield event

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/blocking")
async def blocking(seconds: float):
    time.sleep(seconds)  # the mistake: holds the event loop


@app.post("/threaded")
def threaded(seconds: float):
    time.sleep(seconds)  # a plain def runs in a thread pool


@app.post("/control")
async def control(broken: bool = False, step_s: float | None = None):
    """Inject or lift a fault, change the speed; counters and prefix cache start afresh."""
    state.update(broken=broken, step_s=step_s or state["step_s"])
    stats.clear()
    cached.clear()


@app.get("/stats")
async def read_stats():
    return {**stats, "busy": SLOTS - state["free"], "waiting": len(waiting)}


if __name__ == "__main__":
    # The protocol is named, or asyncio leaves out TCP_NODELAY: 40 ms more an answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(128)
        print(listener.getsockname()[1], flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run([listener])
