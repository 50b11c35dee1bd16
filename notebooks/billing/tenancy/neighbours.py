"""Quiet tenants beside one or three that run batch jobs, under five policies."""

import pandas as pd
from fairness import FairQueue, Fifo, Shaper, Tenant, simulate

SECONDS, SINCE, UNTIL = (
    500,
    100,
    380,
)  # the start, and requests not yet answered, left out
QUIET = [Tenant(f"quiet {i}", (200, 800), (50, 250), rate=0.15) for i in range(3)]
BATCH = [
    Tenant(f"batch {i}", (1_000, 3_000), (100, 500), outstanding=60) for i in range(3)
]
WHOLE = 7_250  # tokens a second, by price, that the replica makes at most


def policies(tenants: int) -> dict:
    return {
        "first come": (Fifo(), None),
        "quota: equal": (Fifo(), Shaper(WHOLE / tenants, burst=20_000)),
        "quota: 60 %": (Fifo(), Shaper(0.6 * WHOLE, burst=20_000)),
        "16 of 32 slots": (Fifo(per_tenant=16), None),
        "fair queue": (FairQueue(), None),
    }


def compare(seeds: range) -> tuple[pd.DataFrame, float]:
    """A row for each policy, number of noisy tenants and seed; and the wait without any of them.

    Waits are the quiet tenants' 95th percentile for the first token, in seconds; work is a share
    of the whole.
    """
    rows, alone = [], []
    for seed in seeds:
        alone.append(simulate(QUIET, Fifo(), SECONDS, seed).p95("quiet", SINCE, UNTIL))
        for noisy in (1, 3):
            for name, (policy, shaper) in policies(len(QUIET) + noisy).items():
                run = simulate(QUIET + BATCH[:noisy], policy, SECONDS, seed, shaper)
                work = run.served("", SINCE, UNTIL) / (UNTIL - SINCE) / WHOLE
                rows.append((name, noisy, run.p95("quiet", SINCE, UNTIL), work))
    runs = pd.DataFrame(rows, columns=["policy", "noisy", "p95", "work"])
    return runs, sum(alone) / len(alone)


def after_idleness(lift: bool) -> float:
    """Share of the replica that a tenant gets in the 100 s after it was idle for 300."""
    early = Tenant("early", (1_000, 3_000), (100, 500), outstanding=60)
    late = Tenant("late", (1_000, 3_000), (100, 500), outstanding=60, start=300)
    run = simulate([early, late], FairQueue(lift=lift), 400, seed=0)
    return run.served("late", 300, 400) / run.served("", 300, 400)
