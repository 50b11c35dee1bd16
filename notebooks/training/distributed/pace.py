"""What makes GPUs wait: bubbles of a pipeline, and unequal loads."""

import numpy as np


def bubble(stages: int, micro_batches: int) -> float:
    """Share of the time that a stage idles, one unit of time a micro-batch and stage."""
    done = np.zeros(stages)
    for _ in range(micro_batches):
        for stage in range(stages):
            done[stage] = max(done[stage], done[stage - 1] if stage else 0) + 1
    return 1 - micro_batches / done[-1]


def straggler(lengths: np.ndarray, pack: bool) -> float:
    """The slowest of 64 GPUs, in means: dealt in order, or the longest to the emptiest."""
    load = np.zeros(64)
    for i, length in enumerate(np.sort(lengths)[::-1] if pack else lengths):
        load[load.argmin() if pack else i % 64] += length
    return load.max() / load.mean()
