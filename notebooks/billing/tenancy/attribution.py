"""A month of a shared fleet, and ways to divide its cost among the tenants.

The traffic is made up; the costs of a token in GPU time are those of `fairness`.
"""

from itertools import permutations

import numpy as np
import pandas as pd
from facts import fact
from fairness import CACHED_S, KV_TOKENS, PREFILL_S, STEP_S
from money import DOLLAR

HOURS = 30 * 24
REPLICA_HOUR = round(fact("gpu_rent.h100") * DOLLAR)  # micro-dollars
CONTEXT = 2_000  # tokens that a sequence has in the cache, on average: assumed
TARGET = 0.7  # of an hour; above it, waiting grows too long
PREFILL_US = round(PREFILL_S * 1e6)  # GPU time of a prompt token
DECODE_US = round(
    (STEP_S * CONTEXT / KV_TOKENS + CACHED_S * CONTEXT) * 1e6
)  # full batch


def usage(seed: int) -> pd.DataFrame:
    """Tokens in and out, and requests, of each tenant in each hour of the month."""
    chance = np.random.default_rng(seed)
    hour = np.arange(HOURS)
    day, clock = hour // 24, hour % 24
    office = (day % 7 < 5) & (9 <= clock) & (clock < 18)
    shape = {  # tokens in and out a request; requests in each hour
        "office": (1_500, 250, 100_000 * office + 2_500),
        "night batch": (6_000, 150, 44_000 * (clock < 6)),
        "steady": (400, 500, np.full(HOURS, 26_000)),
        "launch": (900, 300, 2_000 + 120_000 * ((day == 17) & (clock > 17))),
        "small": (800, 200, np.full(HOURS, 1_200)),
    }
    rows = {}
    for tenant, (prompt, output, mean) in shape.items():
        requests = chance.poisson(mean)
        rows[tenant, "requests"] = requests
        rows[tenant, "in"] = requests * prompt
        rows[tenant, "out"] = requests * output
    return pd.DataFrame(rows)


def gpu_us(month: pd.DataFrame) -> pd.DataFrame:
    """Microseconds of GPU time, hour by tenant."""
    cost = {"in": PREFILL_US, "out": DECODE_US}
    return sum(month.xs(kind, axis=1, level=1) * us for kind, us in cost.items())


CAPACITY_US = int(3600 * 1e6 * TARGET)  # of one replica in one hour


def busiest_us(load: pd.DataFrame) -> int:
    return int(load.sum(axis=1).max())


def replicas(load: pd.DataFrame) -> int:
    """Enough for the busiest hour, and kept for the whole month."""
    return -(-busiest_us(load) // CAPACITY_US)


def fleet_cost(load: pd.DataFrame) -> int:
    return replicas(load) * HOURS * REPLICA_HOUR


def premiums(load: pd.DataFrame, tenant: str) -> tuple[float, float]:
    """How much more a tenant pays by GPU time than alone: of whole replicas, and of fractions."""
    alone, share = load[[tenant]], load[tenant].sum() / load.sum().sum()
    whole = share * replicas(load) / replicas(alone)
    return whole - 1, share * busiest_us(load) / busiest_us(alone) - 1


def shapley(load: pd.DataFrame) -> dict[str, int]:
    """What each tenant adds to the busiest hour, summed over all orders of joining."""
    peak = {frozenset(): 0}

    def added(tenant: str, before: frozenset[str]) -> int:
        for group in (before, before | {tenant}):
            if group not in peak:
                peak[group] = busiest_us(load[sorted(group)])
        return peak[before | {tenant}] - peak[before]

    total = dict.fromkeys(load, 0)
    for order in permutations(load):
        for i, tenant in enumerate(order):
            total[tenant] += added(tenant, frozenset(order[:i]))
    return total


def keys(month: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Five ways to weigh the tenants, as whole numbers."""
    load = gpu_us(month)
    requests, prompt, output = (
        month.xs(k, axis=1, level=1).sum() for k in ("requests", "in", "out")
    )
    use, peak = load.sum().to_dict(), shapley(load)
    idle = replicas(load) * HOURS * 3600 * 10**6 - sum(use.values())
    of_peak = sum(peak.values())
    return {
        "requests": requests.to_dict(),
        "tokens": (prompt + output).to_dict(),
        "GPU time": use,
        "peak by Shapley": peak,
        "GPU time, idle by Shapley": {
            t: use[t] * of_peak + idle * peak[t] for t in load
        },
    }
