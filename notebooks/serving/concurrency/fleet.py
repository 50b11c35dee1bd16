"""Engines in virtual time: continuous batching, a queue and a KV cache each, step by step."""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import routing


@dataclass
class Cost:
    """Milliseconds of a step of the engine, as measured."""

    base: float
    sequence: float  # for each sequence of the batch
    prompt: float  # for each prompt token

    def step(self, sequences: int, prompt_tokens: int = 0) -> float:
        return self.base + self.sequence * sequences + self.prompt * prompt_tokens


@dataclass
class Request:
    at: float  # ms
    prompt: int
    output: int
    made: int = 0
    first: float = math.inf
    done: float = math.inf


@dataclass
class Replica:
    cost: Cost
    seats: int
    kv_tokens: float = math.inf
    slowdown: float = 1.0
    now: float = 0.0
    recomputed: int = 0
    waiting: deque = field(default_factory=deque)
    running: list = field(default_factory=list)

    def used(self, growth: int = 0) -> int:
        return sum(r.prompt + r.made + growth for r in self.running)

    def step(self) -> None:
        prefill = 0
        while self.waiting and len(self.running) < self.seats:
            new = self.waiting[0].prompt + self.waiting[0].made
            if self.running and self.used(1) + new + 1 > self.kv_tokens:
                break  # admitted by what it needs now, as vLLM does
            prefill += new
            self.running.append(self.waiting.popleft())
        while len(self.running) > 1 and self.used(1) > self.kv_tokens:
            victim = self.running.pop()  # the last to come starts again
            self.recomputed += victim.prompt + victim.made
            self.waiting.appendleft(victim)
        ms = self.cost.step(len(self.running), prefill)
        self.now += self.slowdown * ms
        for request in self.running:
            request.made += 1
            request.first = min(request.first, self.now)
            if request.made == request.output:
                request.done = self.now
        self.running = [r for r in self.running if r.done == math.inf]

    def load(self) -> int:
        return len(self.waiting) + len(self.running)

    def run_until(self, at: float) -> None:
        while self.now < at and (self.running or self.waiting):
            self.step()
        self.now = max(self.now, at) if at < math.inf else self.now


MEAN_PROMPT, MEAN_OUTPUT = 40, 30  # tokens
WARM_UP = 100  # requests dropped
SEEDS = range(5)


def capacity(cost: Cost, seats: int) -> float:
    """Requests per ms that one replica sustains with all seats taken."""
    decode = MEAN_OUTPUT * (cost.base / seats + cost.sequence)
    return 1 / (decode + MEAN_PROMPT * cost.prompt)


def poisson(per_ms: float, seed: int, count: int = 600) -> list[Request]:
    rng = np.random.default_rng(seed)
    at = rng.exponential(1 / per_ms, count).cumsum()
    # Log-normal lengths of the given means.
    lengths = rng.lognormal(-0.125, 0.5, (count, 2))
    tokens = np.ceil(lengths * (MEAN_PROMPT, MEAN_OUTPUT)).astype(int)
    return [Request(t, int(p), int(o)) for t, (p, o) in zip(at, tokens)]


def overload(
    cost: Cost, seats: int, load: float, limit: float, deadline_ms: float
) -> pd.DataFrame:
    """One replica, five seeds: goodput as a share of capacity, and how much of what was
    admitted began in time."""
    per_ms, rows = capacity(cost, seats), []
    for seed in SEEDS:
        log = simulate(poisson(load * per_ms, seed), [Replica(cost, seats)], min, limit)
        offered = (log["at"].max() - log["at"].min()) * per_ms
        in_time = log["first"] <= deadline_ms
        rows.append((in_time.sum() / offered, in_time[~log["refused"]].mean()))
    return pd.DataFrame(rows, columns=["goodput", "in time"])


def simulate(requests, replicas, pick, limit=math.inf, refresh=1) -> pd.DataFrame:
    """Send each to a replica, which refuses what would exceed `limit` running and waiting.

    The loads that `pick` sees are up to `refresh` requests old."""
    refused = []
    for number, request in enumerate(requests):
        for replica in replicas:
            replica.run_until(request.at)
        if number % refresh == 0:
            seen = {i: replica.load() for i, replica in enumerate(replicas)}
        chosen = replicas[pick(seen)]
        refused.append(chosen.load() >= limit)
        if not refused[-1]:
            chosen.waiting.append(request)
    for replica in replicas:
        replica.run_until(math.inf)
    columns = {
        "at": [r.at for r in requests],
        "first": [r.first - r.at for r in requests],
        "done": [r.done for r in requests],
    }
    return pd.DataFrame(columns | {"refused": refused})[WARM_UP:]


def finished(cost: Cost, seats: int, kv_tokens: int) -> pd.DataFrame:
    """At 1.2 times what eight seats sustain, by seed: answers as a share of that, and
    tokens recomputed per token of a request."""
    per_ms, rows = capacity(cost, 8), []
    for seed in SEEDS:
        requests = poisson(1.2 * per_ms, seed)
        replica = Replica(cost, seats, kv_tokens)
        log = simulate(requests, [replica], min, limit=40)
        tokens = sum(r.prompt + r.made for r in requests)
        answered = (log.done < math.inf).sum() / (replica.now - log["at"].min())
        rows.append((answered / per_ms, replica.recomputed / tokens))
    columns = ["answered [share of capacity]", "recomputed [per request token]"]
    return pd.DataFrame(rows, columns=columns)


def late_shares(cost, seats: int, policy, refresh: int, slowdown: int) -> list[float]:
    """Of eight replicas the first is slower: first tokens later than eight service times,
    by seed."""
    per_ms, slowdowns = capacity(cost, seats), [slowdown] + [1] * 7
    sustained, shares = per_ms * sum(1 / s for s in slowdowns), []
    for seed in SEEDS:
        routing.dice.seed(seed)
        replicas = [Replica(cost, seats, slowdown=s) for s in slowdowns]
        requests = poisson(0.7 * sustained, seed, count=800)
        log = simulate(requests, replicas, policy, refresh=refresh)
        shares.append((log["first"] > 8 / per_ms).mean())
    return shares
