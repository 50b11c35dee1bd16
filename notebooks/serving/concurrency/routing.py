"""Routing policies, a circuit breaker, and the balancer that uses them."""

import hashlib
import itertools
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

dice, turn = random.Random(0), itertools.count()


# --8<-- [start:round-robin]
def round_robin(load: dict[int, int], **_) -> int:
    return list(load)[next(turn) % len(load)]


def least_outstanding(load: dict[int, int], **_) -> int:
    # Ties are broken at random, or replica 0 gets them all.
    return min(load, key=lambda i: (load[i], dice.random()))


def two_choices(load: dict[int, int], **_) -> int:
    return min(dice.sample(list(load), 2), key=load.get)


def prefix_affinity(load: dict[int, int], prefix: str, **_) -> int:
    """Rendezvous hashing with bounded load: the prefix's first replica not too busy."""

    def rank(i: int) -> bytes:
        return hashlib.sha256(f"{prefix}/{i}".encode()).digest()

    ceiling = math.ceil(1.5 * (sum(load.values()) + 1) / len(load))
    return next(i for i in sorted(load, key=rank) if load[i] < ceiling)


# --8<-- [end:round-robin]


@dataclass
class Breaker:
    clock: Callable[[], float] = time.monotonic
    threshold: int = 5  # failures in a row
    cooldown_s: float = 10.0
    failures: int = 0
    opened_s: float = 0.0
    states: list[str] = field(default_factory=lambda: ["closed"])

    def ready(self) -> bool:  # half-open is not ready: one probe at a time
        rested = self.clock() - self.opened_s >= self.cooldown_s
        return self.states[-1] == "closed" or (self.states[-1] == "open" and rested)

    def started(self) -> None:
        if self.states[-1] == "open":
            self.states.append("half-open")

    def finished(self, ok: bool) -> None:
        self.failures = 0 if ok else self.failures + 1
        if ok and self.states[-1] == "half-open":
            self.states.append("closed")
        elif (self.states[-1] == "half-open" and not ok) or (
            self.states[-1] == "closed" and self.failures >= self.threshold
        ):
            self.states.append("open")
            self.opened_s = self.clock()


class Balancer:
    def __init__(
        self,
        client: httpx.AsyncClient,
        urls: list[str],
        pick: Callable[..., int],
        breakers: list[Breaker] | None = None,
    ) -> None:
        self.client, self.urls, self.pick = client, urls, pick
        # Without breakers: some that never open.
        self.breakers = breakers or [Breaker(threshold=10**9) for _ in urls]
        # Sent and not yet answered; idle connections do not count.
        self.load = dict.fromkeys(range(len(urls)), 0)

    async def send(self, **params) -> tuple[int, int]:
        usable = {i: n for i, n in self.load.items() if self.breakers[i].ready()}
        i = self.pick(usable, **params)
        self.breakers[i].started()
        self.load[i] += 1
        ok = False
        try:
            address = f"{self.urls[i]}/generate"
            status = (await self.client.post(address, params=params)).status_code
            ok = status < 500
            return i, status
        finally:  # a timeout or a broken connection is a failure too
            self.load[i] -= 1
            self.breakers[i].finished(ok)
