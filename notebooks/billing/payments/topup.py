"""A prepaid account with automatic top-ups, under streaming requests that hold money."""

import heapq
from collections.abc import Iterable

import numpy as np

PRICES = {"input": 3, "output": 15}  # micro-dollars a token: $ a million tokens
PROMPT, MAX_TOKENS, TOKENS_A_SECOND = 2_000, 4_096, 50
HOLD = PROMPT * PRICES["input"] + MAX_TOKENS * PRICES["output"]  # the worst case
RATE, MEDIAN, SPREAD = 4, 400, 0.8  # requests a second; output tokens, lognormal
THRESHOLD, TOP_UP, SECONDS = 5_000_000, 10_000_000, 900


def requests(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """When they arrive, and how many tokens each will generate."""
    random = np.random.default_rng(seed)
    at = np.cumsum(random.exponential(1 / RATE, RATE * SECONDS))
    tokens = random.lognormal(np.log(MEDIAN), SPREAD, len(at))
    return at, np.clip(tokens, 1, MAX_TOKENS).astype(int)


def cost(tokens: int) -> int:
    return PROMPT * PRICES["input"] + int(tokens) * PRICES["output"]


# --8<-- [start:refused]
def refused(delay: float, watch_available: bool, seed: int) -> float:
    """Share of requests [%] for which there was no money to hold."""
    events = [(at, "ask", tokens) for at, tokens in zip(*requests(seed))]
    balance, held, waiting, missed = TOP_UP, 0, False, 0
    while events:
        at, what, n = heapq.heappop(events)
        if what == "ask" and balance - held < HOLD:
            missed += 1
        elif what == "ask":
            held += HOLD
            heapq.heappush(events, (at + n / TOKENS_A_SECOND, "settle", n))
        elif what == "settle":
            held, balance = held - HOLD, balance - cost(n)
        else:
            balance, waiting = balance + TOP_UP, False
        watched = balance - held if watch_available else balance
        if watched < THRESHOLD and not waiting:  # never two top-ups under way
            waiting = True
            heapq.heappush(events, (at + delay, "paid", 0))
    return missed / (RATE * SECONDS) * 100
    # --8<-- [end:refused]


def worst(delays: Iterable[float], seeds: int) -> dict[str, list[float]]:
    """The worst share of refusals in any seed, by what triggers the top-up."""
    watched = {"balance [%]": False, "available [%]": True}
    return {
        name: [
            max(refused(delay, watch, seed) for seed in range(seeds))
            for delay in delays
        ]
        for name, watch in watched.items()
    }
