"""Quiet tenants beside one or three that run batch jobs, under five policies."""

from collections.abc import Iterable

import pandas as pd
from fairness import (
    W_IN,
    W_OUT,
    FairQueue,
    Fifo,
    Policy,
    Shaper,
    Tenant,
    Turns,
    simulate,
)

SECONDS, SINCE, UNTIL = 120, 20, 50  # the start and the unanswered end are left out
QUIET = [Tenant(f"quiet {i}", (200, 800), (50, 250), rate=1) for i in range(3)]
OUTSTANDING = 220  # requests of a batch tenant that are open at any time
BURST = 50_000  # tokens by price


def run(
    policy: Policy, quota: float, noisy: int, seed: int, outstanding: int = OUTSTANDING
) -> tuple[float, float]:
    """The quiet tenants' p95 for the first token [s], and tokens a second, by price."""
    shaper = Shaper(quota, BURST) if quota else None
    batch = [
        Tenant(f"batch {i}", (1_000, 3_000), (100, 500), outstanding=outstanding)
        for i in range(noisy)
    ]
    result = simulate(QUIET + batch, policy, SECONDS, seed, shaper)
    made = result.served("", SINCE, UNTIL) / (UNTIL - SINCE)
    return result.p95("quiet", SINCE, UNTIL), made


WHOLE = run(Fifo(), 0, noisy=1, seed=0)[1]  # what the replica makes at most


def compare(seeds: Iterable[int], numbers: Iterable[int]) -> pd.DataFrame:
    """Waits and work, as a share of the whole, by policy, number of noisy tenants and seed."""
    rows = []
    for seed in seeds:
        for noisy in numbers:
            equal = WHOLE / (len(QUIET) + noisy)
            for name, policy, quota in (
                ("first come", Fifo(), 0),
                ("quota: equal", Fifo(), equal),
                ("quota: 60 %", Fifo(), 0.6 * WHOLE),
                ("turns by request", Turns(), 0),
                ("fair queue", FairQueue(), 0),
            ):
                p95, made = run(policy, quota, noisy, seed)
                rows.append((name, noisy, p95, made / WHOLE))
    return pd.DataFrame(rows, columns=["policy", "noisy", "p95", "work"])


def by_price(tenant: Tenant) -> float:
    """What it asks for, in tokens a second by price."""
    prompt, output = sum(tenant.prompt) / 2, sum(tenant.output) / 2
    return tenant.rate * (W_IN * prompt + W_OUT * output)


def by_ceiling(percent: int, noisy: int, seeds: Iterable[int]) -> tuple[float, float]:
    """Mean p95 and share of work where each tenant may take so much of the replica."""
    quota = WHOLE * percent / 100
    p95, made = zip(*(run(Fifo(), quota, noisy, seed) for seed in seeds))
    return sum(p95) / len(p95), sum(made) / len(made) / WHOLE
