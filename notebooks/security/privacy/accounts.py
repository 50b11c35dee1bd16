"""What a budget buys: ε of a training, and the most that an attack can gain."""

import numpy as np
from opacus.accountants import PRVAccountant
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


def spent(sigma: float, rate: float, steps: int, delta: float) -> float:
    """ε by numerical composition, rounded up by at most 0.1."""
    accountant = PRVAccountant()
    accountant.history = [(sigma, rate, steps)]
    return float(accountant.get_epsilon(delta, eps_error=0.1))


def bound(epsilon: float, delta: float) -> float:
    """The largest TPR - FPR that any attack on one record can reach."""
    return (np.expm1(epsilon) + 2 * delta) / (np.exp(epsilon) + 1)


def tighter(sigma: float, rate: float, steps: int) -> float:
    """The same from two other points of the curve ε(δ) than the one that is announced."""
    deltas = (0.18, 0.65)  # any δ is valid; these are near where ε reaches 0
    return min(bound(max(spent(sigma, rate, steps, d), 0), d) for d in deltas)
