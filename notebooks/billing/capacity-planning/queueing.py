"""Waiting for one of many equal servers: Erlang's formula, and a simulation that assumes less."""

import heapq
import math

import numpy as np


# --8<-- [start:erlang]
def wait_probability(servers: int, offered: float) -> float:
    """Erlang C: the share of arrivals that must wait, at a load of `offered` busy servers."""
    if offered >= servers:
        return 1.0
    blocked = 1.0  # Erlang B, built up server by server
    for n in range(1, servers + 1):
        blocked = offered * blocked / (n + offered * blocked)
    return blocked / (1 - offered / servers * (1 - blocked))


def wait_quantile(
    servers: int, offered: float, service: float, quantile: float
) -> float:
    """Seconds that this share of arrivals does not exceed, if times are exponential."""
    if offered >= servers:
        return math.inf
    waiting = wait_probability(servers, offered)
    rate = (servers - offered) / service
    return max(0.0, math.log(waiting / (1 - quantile)) / rate)


# --8<-- [end:erlang]


def simulate(
    arrivals: np.ndarray, services: np.ndarray, servers: int, patience: float = math.inf
) -> np.ndarray:
    """Seconds that each arrival waits, first come, first served; nan if refused at the door.

    An arrival is refused if it would wait longer than `patience`.
    """
    free_at = [0.0] * servers
    waits = np.empty(len(arrivals))
    for i, (arrival, service) in enumerate(zip(arrivals.tolist(), services.tolist())):
        start = max(arrival, free_at[0])
        if start - arrival > patience:
            waits[i] = math.nan
            continue
        waits[i] = start - arrival
        heapq.heapreplace(free_at, start + service)
    return waits


def poisson(rng: np.random.Generator, rate: float, seconds: float) -> np.ndarray:
    return np.sort(rng.uniform(0, seconds, rng.poisson(rate * seconds)))


def bursty(
    rng: np.random.Generator,
    rate: float,
    seconds: float,
    every: float,
    lasts: float,
    factor: float,
) -> np.ndarray:
    """The same mean rate, but for `lasts` of every `every` seconds it is `factor` times the rest."""
    calm = rate * every / (every - lasts + factor * lasts)
    candidates = poisson(rng, calm * factor, seconds)
    accept = np.where(candidates % every < lasts, 1, 1 / factor)
    return candidates[rng.random(len(candidates)) < accept]


def lengths(
    rng: np.random.Generator, count: int, mean: float, spread: float
) -> np.ndarray:
    """Log-normal output lengths with this mean and coefficient of variation."""
    sigma = math.sqrt(math.log(1 + spread**2))
    return rng.lognormal(math.log(mean) - sigma**2 / 2, sigma, count)
