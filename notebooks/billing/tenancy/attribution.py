"""A month of a shared fleet, and ways to divide its cost among the tenants.

The traffic is made up; the costs of a token in GPU time are those of `fairness`.
"""

from collections.abc import Iterable
from itertools import combinations, permutations
from math import factorial

import numpy as np
import pandas as pd
from facts import fact
from fairness import CACHED_S, KV_TOKENS, PREFILL_S, STEP_S
from money import DOLLAR, apportion

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


def bought_us(load: pd.DataFrame, unit: int = CAPACITY_US) -> int:
    """GPU time enough for the busiest hour, in whole units, kept for the whole month."""
    return -(-int(load.sum(axis=1).max()) // unit) * unit


def replicas(load: pd.DataFrame) -> int:
    return bought_us(load) // CAPACITY_US


def fleet_cost(load: pd.DataFrame) -> int:
    return replicas(load) * HOURS * REPLICA_HOUR


def shapley(load: pd.DataFrame, unit: int = CAPACITY_US) -> dict[str, int]:
    """The GPU time that must be bought for each tenant, summed over all orders of joining."""
    bought = {frozenset(): 0}
    total = dict.fromkeys(load, 0)
    for order in permutations(load):
        for i, tenant in enumerate(order):
            before, after = frozenset(order[:i]), frozenset(order[: i + 1])
            if after not in bought:
                bought[after] = bought_us(load[sorted(after)], unit)
            total[tenant] += bought[after] - bought[before]
    return total


def worst_group(load: pd.DataFrame) -> float:
    """All by Shapley value: the most that several tenants pay over a fleet of their own."""
    shares, orders = shapley(load), factorial(load.shape[1])
    groups = [g for n in range(2, load.shape[1]) for g in combinations(load, n)]
    return (
        max(
            sum(shares[tenant] for tenant in group)
            / orders
            / bought_us(load[list(group)])
            for group in groups
        )
        - 1
    )


def by_load(load: pd.DataFrame, unit: int = CAPACITY_US) -> dict[str, dict[str, int]]:
    """Three ways to weigh the tenants by what they load the fleet with, as whole numbers."""
    use, peak = load.sum().to_dict(), shapley(load, unit)
    idle = round(bought_us(load, unit) * HOURS / TARGET) - sum(use.values())
    of_peak = sum(peak.values())
    both = {t: use[t] * of_peak + idle * peak[t] for t in load}
    return {
        "GPU time": use,
        "GPU time, idle by Shapley": both,
        "all by Shapley": peak,
    }


def keys(month: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Five ways to weigh the tenants, as whole numbers."""
    requests, prompt, output = (
        month.xs(k, axis=1, level=1).sum() for k in ("requests", "in", "out")
    )
    return {
        "requests": requests.to_dict(),
        "tokens": (prompt + output).to_dict(),
    } | by_load(gpu_us(month))


def divide(month: pd.DataFrame) -> pd.DataFrame:
    """What each tenant pays by each way, in micro-dollars, and for a silo of its own."""
    load = gpu_us(month)
    total = fleet_cost(load)
    charges = pd.DataFrame(index=list(load))
    for key, weights in keys(month).items():
        charges[key] = apportion(total, [int(weights[tenant]) for tenant in load])
    charges["own silo"] = [fleet_cost(load[[tenant]]) for tenant in load]
    return charges


def premiums(load: pd.DataFrame, unit: int) -> dict[str, float]:
    """By each way, how much more than for a silo a tenant pays, of whoever comes off worst."""
    bought = bought_us(load, unit)
    alone = {tenant: bought_us(load[[tenant]], unit) for tenant in load}
    return {
        key: max(bought * w[t] / sum(w.values()) / alone[t] for t in load) - 1
        for key, w in by_load(load, unit).items()
    }


def worst_premiums(
    sizes: Iterable[float], seeds: Iterable[int], unit: int
) -> pd.DataFrame:
    """`premiums` of a month, by how much more traffic steady has, and by seed."""
    loads = {seed: gpu_us(usage(seed)) for seed in seeds}
    return pd.DataFrame(
        {
            (size, seed): premiums(
                load.assign(steady=(load["steady"] * size).astype(int)), unit
            )
            for size in sizes
            for seed, load in loads.items()
        }
    ).T
