"""Medians of many calls, taken in turn, so that a noisy neighbour slows all of them alike."""

import statistics
import time
from collections.abc import Callable, Hashable


def medians(
    calls: dict[Hashable, Callable[[], object]], rounds: int, burst: int = 3
) -> dict[Hashable, float]:
    """Milliseconds by call; `burst` calls in a row keep a small model's weights in its cache, as in service."""
    spent = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            for _ in range(burst):
                start = time.perf_counter()
                call()
                spent[key].append(1e3 * (time.perf_counter() - start))
    return {key: statistics.median(times) for key, times in spent.items()}
