"""Several engines in virtual time, and one that is overloaded."""

import math

import pandas as pd
import routing
from continuous_batching import Cost, Replica, capacity, poisson

WARM_UP = 100  # requests dropped
SEEDS = range(5)


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
