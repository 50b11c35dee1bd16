"""Callers of a real engine, and the same callers of a replica in virtual time."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

import httpx
import numpy as np
import pandas as pd
from continuous_batching import Replica, Request
from model_service import LOCAL

TTFT, TPOT = "TTFT [ms]", "TPOT [ms]"
RATE, GOOD = "tokens per CPU second", "of them in TPOT target"
COLUMNS = TTFT, TPOT, RATE, GOOD


def cpu_ms() -> float:
    """The clock: processor time of this process, which the engine shares. It stands still
    while a neighbour has the processor."""
    return 1000 * time.process_time()


@dataclass
class Curve:
    """A Cost of the replica, as measured: milliseconds of a step by its sequences, and for
    each prompt token."""

    steps: dict[int, float]
    prompt: float

    def step(self, sequences: int, prompt_tokens: int = 0) -> float:
        between = np.interp(sequences, list(self.steps), list(self.steps.values()))
        return float(between) + self.prompt * prompt_tokens


@dataclass
class Stream(Request):
    at: float = 0.0
    prompt: int = 1
    output: int = 1
    times: list[float] = field(default_factory=list)  # of its tokens


async def send(client: httpx.AsyncClient, engine, request: Stream) -> None:
    request.at = cpu_ms()
    ids = [1_000 + 7 * i for i in range(request.prompt)]
    body = {"prompt": ids, "n_predict": request.output, "ignore_eos": True}
    body |= {"temperature": 0, "cache_prompt": False, "stream": True}
    url = f"{engine.address}/completion"
    async with client.stream("POST", url, json=body) as answer:
        async for line in answer.aiter_lines():
            if '"stop":false' in line:
                request.times.append(cpu_ms())
    request.first, request.done = request.times[0], request.times[-1]


# --8<-- [start:closed]
async def measured(engine, requests: Iterable[Stream], callers: int) -> None:
    """Each caller sends its next request when its last one is answered."""
    todo = iter(requests)

    async def caller(client) -> None:
        for request in todo:  # one iterator, shared by all callers
            await send(client, engine, request)

    async with httpx.AsyncClient(**LOCAL) as client:
        await asyncio.gather(*(caller(client) for _ in range(callers)))


def predicted(replica: Replica, requests: Iterable[Request], callers: int) -> None:
    """The same callers before a replica in virtual time."""
    todo = iter(requests)
    replica.waiting.extend(islice(todo, callers))
    while replica.load():
        replica.step()
        for request in islice(todo, callers - replica.load()):
            request.at = replica.now
            replica.waiting.append(request)


# --8<-- [end:closed]


async def together(engine, requests: list[Stream]) -> None:
    """All come while the engine reads another prompt, a step that ends before they begin."""
    async with httpx.AsyncClient(**LOCAL) as client:
        other = asyncio.create_task(send(client, engine, Stream(prompt=48, output=1)))
        while not engine.metrics()["requests_processing"]:
            await asyncio.sleep(0.001)
        await measured(engine, requests, len(requests))
        await other


def latencies(requests: list[Request]) -> pd.DataFrame:
    """Milliseconds from asking to the first token, and for each token after it."""
    rows = [(r.first - r.at, (r.done - r.first) / (r.output - 1)) for r in requests]
    return pd.DataFrame(rows, columns=[TTFT, TPOT])


def summary(requests: list[Request], target: float) -> dict[str, float]:
    """Mean latencies; tokens a second, and those of requests within the target."""
    seen, tokens = latencies(requests), pd.Series([r.output for r in requests])
    seconds = (max(r.done for r in requests) - min(r.at for r in requests)) / 1000
    good = tokens[seen[TPOT] <= target]
    rates = {RATE: tokens.sum() / seconds, GOOD: good.sum() / seconds}
    return seen.mean().to_dict() | rates


async def while_read(engine, prompt: int, streams: int) -> dict[str, float]:
    """A long prompt comes while streams run: what each of them gets while it is read, their
    longest gap, and the prompt's time to first token."""
    running = [Stream(output=12) for _ in range(streams)]
    long = Stream(prompt=prompt, output=2)
    async with httpx.AsyncClient(**LOCAL) as client:
        tasks = [asyncio.create_task(send(client, engine, each)) for each in running]
        while min(len(each.times) for each in running) < 2:
            await asyncio.sleep(0.001)
        await send(client, engine, long)
        await asyncio.gather(*tasks)
    gaps = [b - a for r in running for a, b in zip(r.times, r.times[1:])]
    during = [sum(long.at < t < long.first for t in r.times) for r in running]
    rows = min(during), max(gaps), long.first - long.at
    return dict(zip(("tokens of a stream", "longest gap [ms]", "TTFT [ms]"), rows))
