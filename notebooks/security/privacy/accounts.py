"""ε of a planned training: by an accountant, and exactly where a formula is known."""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import norm


def exact_epsilon(sigma: float, steps: int, delta: float) -> float:
    """`steps` Gaussian releases without sampling (Balle and Wang, 2018)."""
    mu = steps**0.5 / sigma

    def excess(e: float) -> float:
        return (
            norm.cdf(mu / 2 - e / mu) - np.exp(e) * norm.cdf(-mu / 2 - e / mu) - delta
        )

    return brentq(excess, 0, 100)


def spent(kind: type, sigma: float, rate: float, steps: int, delta: float) -> float:
    accountant = kind()
    accountant.history = [(sigma, rate, steps)]
    return float(accountant.get_epsilon(delta))


def bound(epsilon: float, delta: float) -> float:
    """The largest TPR - FPR that any attack on one record can reach."""
    if np.isinf(epsilon):
        return 1.0
    return (np.expm1(epsilon) + 2 * delta) / (np.exp(epsilon) + 1)
