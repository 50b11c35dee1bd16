"""Synthetic requests to a guard model: 62 features and whether the request is abusive."""

import math

import numpy as np
from scipy.special import expit


def requests(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Most abuse is faint in sixty features, some is a blatant combination of two."""
    x = rng.normal(size=(n, 62))
    blatant = (x[:, 0] > 1.3) & (x[:, 1] > 1.3)
    faint = x[:, 2:].sum(axis=1) / math.sqrt(60)
    abusive = rng.random(n) < expit(-5 + 1.8 * faint + 6 * blatant)
    return x, abusive.astype(int)
