"""A fleet of equal nodes under a week's load, minute by minute."""

import numpy as np
import pandas as pd

MINUTES = 7 * 24 * 60
IDLE, BUSY = 2.1, 8.4  # kW of a node with eight GPUs; idle is assumed
OFF = 0.1  # kW: the management controller that can wake it, assumed


def week(rng: np.random.Generator, peak: float, noise=0.015) -> np.ndarray:
    """Nodes' worth of work in each minute: low at night, two humps, noise that lasts.

    A minute keeps 0.9 of the last one's noise, so the load strays by 2.3 times `noise`.
    """
    hour = np.arange(MINUTES) / 60 % 24
    humps = np.exp(-(((hour - 11) / 3) ** 2)) + np.exp(-(((hour - 20.5) / 2.5) ** 2))
    stray = np.zeros(MINUTES)
    for minute in range(1, MINUTES):
        stray[minute] = 0.9 * stray[minute - 1] + rng.normal(0, noise)
    return peak * (0.15 + 0.75 * humps / humps.max()) * (1 + stray)


def power(on, load, idle: float):
    """kW: every node that is on draws its idle power, work adds to it in proportion."""
    return on * idle + load * (BUSY - idle)


def sleeping(load, nodes: int, wake: int, spare: float, idle: float = IDLE):
    """The share of energy saved, and the minutes short, if unneeded nodes sleep.

    Nodes are called up from the load now, with some to spare; they draw power at once
    but work only after `wake` minutes. None is sent to sleep before 15 minutes.
    """
    need = np.minimum(np.ceil(load * (1 + spare)), nodes)
    called = pd.Series(need).rolling(16, min_periods=1).max().to_numpy()
    awake = np.concatenate([np.full(wake, called[0]), called[: MINUTES - wake]])
    on = np.maximum(called, awake)  # those on their way up, or not yet down
    kw = power(on, np.minimum(load, awake), idle) + (nodes - on) * OFF
    return 1 - kw.sum() / power(nodes, load, idle).sum(), (load > awake).sum()
