"""The questions put to the engine; each answers with what it cost and how long people waited."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from money import DOLLAR
from serving import (
    Engine,
    Replica,
    Request,
    draw,
    engine,
    kv_tokens,
    least_outstanding,
    merge,
    p95_first,
    p95_gap,
    poisson,
    serve,
    static_seconds,
    weighted_least,
    weighted_round_robin,
)
from transformer_costs import A100, H100
from transformer_costs import LLAMA_3_1_8B as MODEL

PRICE = 3 * DOLLAR  # of a device-hour, assumed
H100_ENGINE, A100_ENGINE = engine(MODEL, H100), engine(MODEL, A100)
KV = kv_tokens(MODEL, H100)

# Anyscale's benchmark of 2023: OPT-13B on an A100 with 40 GB, prompts of 512 tokens, answers
# exponential with mean 128 up to a cap; static batches and KV budgets as published.
# The device reads 1,555 GB a second at most; a token's KV cache takes 2 x 40 layers x 5,120 x 2 bytes.
OPT_13B = Engine(26e9, 0, 819_200, 26e9, 0.7 * 1.555e12, 0.5 * 312e12)
BATCHES, BUDGETS = {32: 16, 128: 12, 1536: 4}, {32: 8_700, 128: 7_500, 1536: 8_100}


def usd_per_1000(devices: int, rate: float) -> float:
    """Of 1,000 requests, when there are `rate` a second."""
    return PRICE / DOLLAR / 3.6 * devices / rate


def report(pool: Sequence[Replica], requests: Sequence[Request], cost: float) -> dict:
    return {
        "GPU-Util": sum(r.busy for r in pool) / sum(r.clock for r in pool),
        "$ per 1,000": cost,
        "p95 first [s]": p95_first(requests),
        "p95 token [ms]": p95_gap(requests) * 1e3,
    }


def ideal_speed_up(size: int) -> float:
    """Of continuous over static batching, when only reading the weights takes time."""
    lengths = np.random.default_rng(0).geometric(1 / 200, 256 * size).tolist()
    weights_only = Engine(1, 0, 0, 0, 1, 1)
    replica = Replica(weights_only, kv_limit=10**9, slots=size)
    serve([replica], [Request(0, 0, n) for n in lengths], least_outstanding)
    return static_seconds(weights_only, 0, lengths, size) / replica.clock


def anyscale(cap: int) -> tuple[float, float]:
    """Tokens a second, in and out, with static and with continuous batching."""
    drawn = np.random.default_rng(0).exponential(128, 20_000).round().astype(int)
    lengths = drawn[(drawn >= 1) & (drawn <= cap)][:1_000].tolist()
    replica = Replica(OPT_13B, BUDGETS[cap])
    serve([replica], [Request(0, 512, n) for n in lengths], least_outstanding)
    tokens = 512 * len(lengths) + sum(lengths)
    static = static_seconds(OPT_13B, 512, lengths, BATCHES[cap])
    return tokens / static, tokens / replica.clock


def capacity(engine: Engine, cached: float = 0) -> float:
    """Requests a second, when 2,000 are there at once and `cached` of each prompt is."""
    replica, requests = Replica(engine, KV), draw(np.random.default_rng(1), [0] * 2_000)
    for request in requests:
        request.cached = int(request.prompt * cached)
    serve([replica], requests, least_outstanding)
    return len(requests) / replica.clock


def at_load(load: float, rate: float, replicas: int) -> dict:
    """A pool that gets `load` of the `rate` each replica could do."""
    pool = [Replica(H100_ENGINE, KV) for _ in range(replicas)]
    rng = np.random.default_rng(1)
    arrivals = poisson(rng, load * rate * replicas, 480 / replicas)
    requests = draw(rng, arrivals)
    serve(pool, requests, least_outstanding)
    return {"load": load} | report(pool, requests, usd_per_1000(1, load * rate))


def models_on(devices: int, engine: Engine, copies: int, traffic: list) -> dict:
    """A stream of arrivals for each model; devices take the models in turn."""
    rng = np.random.default_rng(9)
    streams = [draw(rng, arrivals, model=i) for i, arrivals in enumerate(traffic)]
    kv_limit = kv_tokens(MODEL, H100, copies)
    pool = [Replica(engine, kv_limit) for _ in range(devices)]
    for i, replica in enumerate(pool):
        serve([replica], merge(*streams[i::devices]), least_outstanding)
    requests = merge(*streams)
    cost = usd_per_1000(devices, len(requests) / requests[-1].arrival)
    return {"H100s": devices} | report(pool, requests, cost)


def days(seed: int, rate: float) -> pd.DataFrame:
    """A day in 240 seconds: online alone, filled up with batch work, and in one queue with it."""
    rng, seconds = np.random.default_rng(seed), 240
    swing = poisson(
        rng, 0.7 * rate, seconds, lambda t: 0.5 - 0.45 * np.cos(2 * np.pi * t)
    )
    rows, done = {}, 0
    for name in ("online", "filled", "same queue"):
        rng = np.random.default_rng(seed)
        online, batch = draw(rng, swing), draw(rng, [0] * 4_000)
        replica = Replica(H100_ENGINE, KV, fill_to=48 if name == "filled" else 0)
        if name == "filled":  # joins only while fewer than 48 run
            replica.backlog.extend(batch)
        hourly = batch[:done]  # as much as fitted in, every hour
        for i, request in enumerate(hourly):
            request.arrival = i * 24 // done * seconds / 24
        serve([replica], merge(online, hourly), least_outstanding)
        done = sum(request.done == request.done for request in batch)
        total = (len(online) + done) / seconds
        kind = {"batch done": done, "load": total / rate}
        rows[name] = kind | report([replica], online, usd_per_1000(1, total))
    return pd.DataFrame(rows).T


def mixed_pool(route: str, load: float, total: float) -> float:
    """p95 of the milliseconds a token takes, on two H100s and two A100s; mean of three runs."""
    weights = [3, 3, 1, 1]
    every = []
    for seed in range(3):
        pool = [Replica(e, KV) for e in [H100_ENGINE] * 2 + [A100_ENGINE] * 2]
        rng = np.random.default_rng(seed)
        requests = draw(rng, poisson(rng, load * total, 60))
        routes = {
            "round robin": weighted_round_robin([1] * 4),
            "least outstanding": least_outstanding,
            "weighted round robin": weighted_round_robin(weights),
            "weighted least outstanding": weighted_least(dict(zip(pool, weights))),
        }
        serve(pool, requests, routes[route])
        every.append(p95_gap(requests) * 1e3)
    return float(np.mean(every))
