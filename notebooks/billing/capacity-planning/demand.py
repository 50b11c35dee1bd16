"""A pool's demand for GPUs by the hour, and Prometheus's way of extending it."""

import numpy as np

WEEK = 24 * 7


def hourly(seed: int, weeks: int, grows_from: int, growth: float) -> np.ndarray:
    """Around 40 GPUs with busy days and quiet weekends, `growth` more a week from a week on."""
    hour = np.arange(weeks * WEEK)
    level = 40 + growth * np.maximum(0, hour / WEEK - grows_from)
    day = 1 + 0.15 * np.sin(2 * np.pi * (hour % 24 - 9) / 24)
    weekend = np.where(hour // 24 % 7 >= 5, 0.75, 1)
    return level * day * weekend + np.random.default_rng(seed).normal(0, 0.8, len(hour))


def weekly_peak(demand: np.ndarray) -> np.ndarray:
    """max_over_time(demand[1w]), once a day."""
    return np.lib.stride_tricks.sliding_window_view(demand, WEEK).max(axis=1)[::24]


def predict_linear(samples: np.ndarray, window: int, ahead: int) -> np.ndarray:
    """The least-squares line through each `window` samples, `ahead` samples after its end."""
    from_middle = np.arange(window) - (window - 1) / 2
    slope = from_middle / (from_middle @ from_middle)
    weights = 1 / window + ((window - 1) / 2 + ahead) * slope
    return np.lib.stride_tricks.sliding_window_view(samples, window) @ weights
