"""Routing policies, a circuit breaker, and the balancer that uses them before real engines."""

import asyncio
import hashlib
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass

import httpx

dice, turn = random.Random(0), itertools.count()


def round_robin(load: dict[int, int], **_) -> int:
    return list(load)[next(turn) % len(load)]


# --8<-- [start:policies]
def least_outstanding(load: dict[int, int], **_) -> int:
    # Ties are broken at random, or replica 0 gets them all.
    return min(load, key=lambda i: (load[i], dice.random()))


def two_choices(load: dict[int, int], **_) -> int:
    return min(dice.sample(list(load), 2), key=load.get)


def prefix_affinity(load: dict[int, int], prefix: str, bound=math.inf) -> int:
    """Rendezvous hashing: the prefix's first replica whose load is within the bound."""

    def rank(i: int) -> bytes:
        return hashlib.sha256(f"{prefix}/{i}".encode()).digest()

    ceiling = bound * (sum(load.values()) + 1) / len(load)  # times the mean
    return next(i for i in sorted(load, key=rank) if load[i] < ceiling)


# --8<-- [end:policies]


def bounded_affinity(load: dict[int, int], prefix: str) -> int:
    return prefix_affinity(load, prefix, bound=1.5)


@dataclass
class Breaker:
    clock: Callable[[], float]
    threshold: float = 3  # failures in a row
    cooldown_s: float = 10
    failures: int = 0
    opened_s: float | None = None
    probing: bool = False

    def ready(self) -> bool:
        if self.opened_s is None:
            return True
        return not self.probing and self.clock() - self.opened_s >= self.cooldown_s

    def started(self) -> None:
        self.probing = self.opened_s is not None  # half-open: one probe at a time

    def finished(self, ok: bool) -> None:
        self.failures, self.probing = 0 if ok else self.failures + 1, False
        if ok:
            self.opened_s = None
        elif self.failures >= self.threshold:
            self.opened_s = self.clock()


class Balancer:
    def __init__(
        self, engines: list, pick: Callable[..., int], breakers: list | None = None
    ):
        self.engines, self.pick = engines, pick
        # Without breakers: some that never open.
        self.breakers = breakers or [Breaker(lambda: 0, math.inf) for _ in engines]
        self.load = dict.fromkeys(range(len(engines)), 0)  # sent and not yet answered
        self.peak = 0

    async def send(self, prompt: str, tokens: int) -> tuple[int, dict | None]:
        """The replica, and what the engine says of its answer, or nothing."""
        usable = {i: n for i, n in self.load.items() if self.breakers[i].ready()}
        i = self.pick(usable, prefix=prompt[:9])
        self.breakers[i].started()
        self.load[i] += 1
        self.peak = max(self.peak, self.load[i])
        answer = None
        try:
            body = {"prompt": prompt, "n_predict": tokens, "ignore_eos": True}
            url = f"{self.engines[i].address}/completion"
            answer = (await self.client.post(url, json=body)).json()["timings"]
        except httpx.TransportError:
            pass
        self.load[i] -= 1
        self.breakers[i].finished(answer is not None)
        return i, answer

    async def closed_loop(self, prompts: list[str], tokens: int, workers: int) -> list:
        """Each worker sends its next call when its last one is answered."""
        todo, log = iter(prompts), []

        async def worker() -> None:
            for prompt in todo:  # one iterator, shared by all workers
                log.append(await self.send(prompt, tokens))

        options = {"limits": httpx.Limits(max_keepalive_connections=0), "timeout": 60}
        async with httpx.AsyncClient(trust_env=False, **options) as self.client:
            await asyncio.gather(*(worker() for _ in range(workers)))
        return log


async def cached(engines: list, policy) -> float:
    """The share of the second turn's prompt tokens that come from the engines' caches."""
    dice.seed(0)
    balancer, talks = Balancer(engines, policy), range(9)
    # Conversations start with different tokens, so each keeps its slot and its KV.
    first = 65 if policy is least_outstanding else 97
    history = [f"{chr(first + i)} once upon a time" for i in talks]
    await balancer.closed_loop(history, 1, workers=3)
    # The second turn comes in another order, or chance would repeat itself.
    order = sorted(talks, key=lambda i: i * 5 % 9)
    turns = [history[i] + " and then" for i in order]
    timings = [t for _, t in await balancer.closed_loop(turns, 1, workers=3)]
    hits = sum(t["cache_n"] for t in timings)
    return hits / (hits + sum(t["prompt_n"] for t in timings))


async def peak(engines: list, policy) -> int:
    """Six with one system prompt at the same time: the most at one engine."""
    balancer = Balancer(engines, policy)
    await balancer.closed_loop(
        [f"One system prompt {i}" for i in range(6)], 1, workers=6
    )
    return balancer.peak


async def phase(balancer: Balancer, calls: int, workers: int) -> dict[str, int]:
    log = await balancer.closed_loop(["Once"] * calls, 1, workers)
    errors = sum(timings is None for _, timings in log)
    return {"errors": errors, "to replica 2": sum(i == 2 for i, _ in log)}
