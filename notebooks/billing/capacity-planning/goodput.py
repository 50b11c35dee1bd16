"""The share of time that a job with failures and checkpoints spends on progress."""

import math

import numpy as np


# --8<-- [start:formula]
def young_interval(save: float, between_failures: float) -> float:
    return math.sqrt(2 * save * between_failures)


def goodput(
    interval: float, save: float, restart: float, between_failures: float
) -> float:
    """Exact if failures are exponential (Daly, 2006)."""
    retries = math.expm1((interval + save) / between_failures)
    return interval / (
        between_failures * math.exp(restart / between_failures) * retries
    )


# --8<-- [end:formula]


def simulate(
    rng: np.random.Generator,
    interval: float,
    save: float,
    restart: float,
    between_failures: float,
    failures: int,
) -> tuple[float, float]:
    """Goodput of a run through `failures`, and its standard error.

    Between two failures the job restarts, then works and saves; what was not saved is lost.
    """
    lives = rng.exponential(between_failures, failures)
    saved = np.floor(np.maximum(lives - restart, 0) / (interval + save)) * interval
    share = saved.sum() / lives.sum()
    error = np.std(saved - share * lives) / (math.sqrt(failures) * between_failures)
    return float(share), float(error)
