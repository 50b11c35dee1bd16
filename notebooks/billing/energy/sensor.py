"""What a power reading sees of a load that goes up and down, on a grid of milliseconds."""

import numpy as np

HIGH, LOW = 600, 200  # W in the busy and in the quiet part of a step
SHARE = 0.4  # of a step that is busy
EVERY, WINDOW = 100, 25  # ms: A100 updates this often, and averages this long
RUN = 5_030  # ms


def trace(step: float, runs: int, rng: np.random.Generator) -> np.ndarray:
    """Watts in each millisecond, one row a run; each run begins at a time of its own."""
    clock = np.arange(EVERY + RUN) + rng.uniform(0, step, (runs, 1))
    return np.where(clock % step < SHARE * step, HIGH, LOW)


def polled(watts: np.ndarray) -> np.ndarray:
    """The mean of the readings, each a mean over its window."""
    whole = RUN // EVERY * EVERY
    readings = watts[:, :whole].reshape(len(watts), -1, EVERY)[:, :, :WINDOW]
    return readings.mean(axis=(1, 2))


def counted(watts: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The mean power by a counter that misses nothing and is updated as often."""
    total = np.cumsum(watts, axis=1) - watts  # before each millisecond
    start = rng.integers(EVERY)
    first, last = start // EVERY * EVERY, (start + RUN) // EVERY * EVERY
    return (total[:, last] - total[:, first]) / RUN


def errors(step: float, runs: int, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    watts = trace(step, runs, rng)
    true = SHARE * HIGH + (1 - SHARE) * LOW
    return {
        "polled": polled(watts) / true - 1,
        "counter": counted(watts, rng) / true - 1,
    }
