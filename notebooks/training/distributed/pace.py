"""What makes GPUs wait for the slowest: unequal loads."""

import numpy as np


def straggler(lengths: np.ndarray, pack: bool) -> float:
    """The slowest of 64 GPUs, in means: dealt in order, or the longest to the emptiest."""
    load = np.zeros(64)
    for i, length in enumerate(np.sort(lengths)[::-1] if pack else lengths):
        load[load.argmin() if pack else i % 64] += length
    return load.max() / load.mean()
