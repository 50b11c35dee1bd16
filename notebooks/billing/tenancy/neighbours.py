"""Quiet tenants beside one or three that run batch jobs, under four policies."""

from collections.abc import Iterable

import pandas as pd
from fairness import FairQueue, Fifo, Shaper, Tenant, simulate

SECONDS, SINCE, UNTIL = 120, 20, 50  # the start and the unanswered end are left out
QUIET = [Tenant(f"quiet {i}", (200, 800), (50, 250), rate=1) for i in range(3)]
BATCH = [
    Tenant(f"batch {i}", (1_000, 3_000), (100, 500), outstanding=220) for i in range(3)
]
BURST = 50_000  # tokens by price


def run(
    policy: Fifo | FairQueue, quota: float, noisy: int, seed: int
) -> tuple[float, float]:
    """The quiet tenants' p95 for the first token [s], and tokens a second, by price."""
    shaper = Shaper(quota, BURST) if quota else None
    result = simulate(QUIET + BATCH[:noisy], policy, SECONDS, seed, shaper)
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
                ("fair queue", FairQueue(), 0),
            ):
                p95, made = run(policy, quota, noisy, seed)
                rows.append((name, noisy, p95, made / WHOLE))
    return pd.DataFrame(rows, columns=["policy", "noisy", "p95", "work"])


def by_ceiling(percent: int, noisy: int, seeds: Iterable[int]) -> tuple[float, float]:
    """Mean p95 and share of work where each tenant may take so much of the replica."""
    quota = WHOLE * percent / 100
    p95, made = zip(*(run(Fifo(), quota, noisy, seed) for seed in seeds))
    return sum(p95) / len(p95), sum(made) / len(made) / WHOLE


def after_idleness() -> float:
    """Share of the replica that a tenant gets in the 20 s after it was idle for 60."""
    early = Tenant("early", (1_000, 3_000), (100, 500), outstanding=220)
    late = Tenant("late", (1_000, 3_000), (100, 500), outstanding=220, start=60)
    result = simulate([early, late], FairQueue(), 80, seed=0)
    return result.served("late", 60, 80) / result.served("", 60, 80)
