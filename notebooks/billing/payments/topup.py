"""A prepaid account with automatic top-ups, under streaming requests that hold money."""

import heapq
from collections.abc import Iterable

import numpy as np
from money import DOLLAR

PRICES = {"input": 3, "output": 15}  # micro-dollars a token: $ a million tokens
PROMPT, MAX_TOKENS, TOKENS_A_SECOND = 2_000, 4_096, 50
HOLD = PROMPT * PRICES["input"] + MAX_TOKENS * PRICES["output"]  # the worst case
RATE, MEDIAN, SPREAD = 4, 400, 0.8  # requests a second; output tokens, lognormal
WARM_UP, SECONDS = 600, 1_800


def requests(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """When they arrive, and how many tokens each will generate."""
    random = np.random.default_rng(seed)
    at = np.cumsum(random.exponential(1 / RATE, RATE * SECONDS))
    tokens = random.lognormal(np.log(MEDIAN), SPREAD, len(at))
    return at, np.clip(tokens, 1, MAX_TOKENS).astype(int)


def cost(tokens: float) -> float:
    return PROMPT * PRICES["input"] + tokens * PRICES["output"]


def spent_and_held(seeds: int) -> tuple[float, float]:
    """Dollars that are spent a second, and that are held on average (Little's law)."""
    tokens = np.mean([requests(seed)[1].mean() for seed in range(seeds)])
    return RATE * cost(tokens) / DOLLAR, RATE * tokens / TOKENS_A_SECOND * HOLD / DOLLAR


# --8<-- [start:refused]
def refused(delay: float, threshold: int, top_up: int, seed: int) -> float:
    """Share of requests [%] for which there was no money to hold, after warming up."""
    events = [(at, "ask", int(tokens)) for at, tokens in zip(*requests(seed))]
    asked = sum(at > WARM_UP for at, *_ in events)
    balance, held, waiting, missed = 0, 0, False, 0
    while events:
        at, what, n = heapq.heappop(events)
        if what == "ask" and balance - held < HOLD:
            missed += at > WARM_UP
        elif what == "ask":
            held += HOLD
            heapq.heappush(events, (at + n / TOKENS_A_SECOND, "settle", n))
        elif what == "settle":
            held, balance = held - HOLD, balance - cost(n)
        else:
            balance, waiting = balance + top_up * DOLLAR, False
        if balance - held < threshold * DOLLAR and not waiting:  # one at a time
            waiting = True
            heapq.heappush(events, (at + delay, "paid", 0))
    return missed / asked * 100
    # --8<-- [end:refused]


def worst(
    delays: Iterable[float], rules: Iterable[tuple[int, int]], seeds: int
) -> dict:
    """The worst share of refusals in any seed, by threshold and top-up [$]."""
    return {
        f"threshold {threshold}, top-up {top_up} [%]": [
            max(refused(delay, threshold, top_up, seed) for seed in range(seeds))
            for delay in delays
        ]
        for threshold, top_up in rules
    }
