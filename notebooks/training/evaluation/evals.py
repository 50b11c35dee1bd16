"""Simulated evals: questions in passages, answered by two equally good models."""

import numpy as np
from scipy.special import expit


def simulate(
    rng: np.random.Generator, evals: int, passages: int, per_passage: int
) -> tuple[np.ndarray, np.ndarray]:
    """1 where right, of two models, shaped (evals, passages, per_passage).

    By symmetry both models have a true accuracy of 50%.
    """
    both = rng.normal(size=(evals, passages, 1, 1))  # a passage easy for both models
    one = rng.normal(size=(evals, passages, 1, 2))  # ... or for one of them
    question = rng.normal(size=(evals, passages, per_passage, 1))
    p_right = expit(both + one + question)
    right = (rng.random(p_right.shape) < p_right).astype(float)
    return right[..., 0], right[..., 1]
