"""Chance that a group of drives loses data within a year: a Markov chain, and a simulation of it."""

import math
import random

HOURS = 8_766  # in a year


# --8<-- [start:loss]
def annual_loss(drives: int, tolerated: int, afr: float, repair_hours: float) -> float:
    """Chance that a group loses more than `tolerated` drives before rebuilding them."""
    failure, repair = -math.log1p(-afr) / HOURS, 1 / repair_hours
    hours_to_loss = worse = 0.0
    for gone in range(tolerated + 1):
        # Mean time from `gone` lost drives to one more, repairs in between included.
        worse = (1 + gone * repair * worse) / ((drives - gone) * failure)
        hours_to_loss += worse
    return -math.expm1(-HOURS / hours_to_loss)


# --8<-- [end:loss]


def simulated_loss(drives, tolerated, afr, repair_hours, groups, seed):
    """Share of `groups` that lose data in a year, by drawing failures and repairs."""
    chance, lost = random.Random(seed), 0
    failure, repair = -math.log1p(-afr) / HOURS, 1 / repair_hours
    for _ in range(groups):
        hour, gone = 0.0, 0
        while gone <= tolerated:
            fails, mends = (drives - gone) * failure, gone * repair
            hour += chance.expovariate(fails + mends)
            if hour > HOURS:
                break
            gone += 1 if chance.random() * (fails + mends) < fails else -1
        lost += gone > tolerated
    return lost / groups
