"""A simulated judge that compares a candidate with three rivals and favours what it sees first."""

from typing import NamedTuple

import numpy as np

NAMES = ["A", "B", "C", "candidate"]
STRENGTH = np.array([0.8, 0.2, 0.0, 0.4])  # planted, in logits; the candidate is second
BONUS = 0.7  # planted, in logits: what being shown first is worth


class Duels(NamedTuple):
    rival: np.ndarray  # index of the other model
    shown_first: np.ndarray  # the judge picks the candidate when it is shown first
    shown_second: np.ndarray  # ... and when it is shown second
    people: np.ndarray  # a person, who has no such bias, picks the candidate


def duels(rng: np.random.Generator, n: int) -> Duels:
    rival = rng.integers(3, size=n)
    # how much better the candidate's answer is here, as judge and person both see it
    gap = STRENGTH[3] - STRENGTH[rival] + rng.logistic(size=n)
    person = gap + rng.logistic(scale=0.5, size=n)
    return Duels(rival, gap + BONUS > 0, gap - BONUS > 0, person > 0)
