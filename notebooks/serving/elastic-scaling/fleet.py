"""A stated model of an LLM fleet: traffic, and replicas that batch continuously, each with a queue of its own.

Requests are a fluid. Arrays are policies x days x replicas."""

from collections import deque
from typing import NamedTuple

import numpy as np
import pandas as pd
from hpa import desired_replicas, external
from transformer_costs import accelerator, transformer

# Seconds; 15 s is the HPA's default period.
STEP, SYNC, DAY = 7.5, 15, 86400
# A step of Llama 3 8B with 1 and with 128 sequences, as SGLang measured it, seconds;
# each sequence then had some 132 tokens in the cache.
STEP_OF_1, STEP_OF_128, MEASURED_AT = 0.00737, 0.01184, 132
# Sequences at most, mean output tokens, replicas at most; seconds of queueing that are too many.
SLOTS, TOKENS, MOST, LIMIT = 128, 2000, 40, 10


# Reading the cache of one sequence, half of its answer long, beyond that; an H100 at 70%.
KV_READ = (TOKENS / 2 - MEASURED_AT) * transformer("llama_3_1_8b").kv_bytes()
KV_READ /= 0.7 * accelerator("h100_sxm").bandwidth


def step_seconds(batch):
    """As measured, in a straight line between the two batches; and the longer cache."""
    line = STEP_OF_1 + (STEP_OF_128 - STEP_OF_1) * (batch - 1) / 127
    return line + KV_READ * batch


def answer_seconds(batch):
    return TOKENS * step_seconds(batch)


FULL_RATE = SLOTS / answer_seconds(SLOTS)  # answers a second with all slots taken


def replicas_for(rate, goal, headroom: float = 1.0):
    """Little's law: requests in flight are rate times time, `goal` of them to a replica."""
    return np.ceil(headroom * rate * answer_seconds(goal) / goal)


def noise(rng, seconds: int, days: int):
    """A factor for each step: one value a minute, correlated over some ten minutes."""
    level = np.zeros((seconds // 60, days))
    for minute in range(1, len(level)):
        level[minute] = 0.9 * level[minute - 1] + rng.normal(0, 0.03, days)
    return np.exp(level.repeat(round(60 / STEP), axis=0))


def traffic(days: int):
    """Requests per step of `days` days, a seed each, and the day before as a forecaster knows it:
    5-minute means of requests per second. A spike of 80% lasts twenty minutes, at a random hour between 8 and 18."""
    columns = [one_day(np.random.default_rng(seed)) for seed in range(days)]
    return tuple(np.concatenate(side, axis=1) for side in zip(*columns))


def one_day(rng):
    hour = np.arange(0, 24, STEP / 3600)[:, None]
    shape = np.exp(-(((hour - 10.5) / 2.2) ** 2)) * 25 + 8
    shape = shape + 40 * np.exp(-(((hour - 20) / 2.6) ** 2))
    begin = rng.uniform(8, 18)
    # Up within a minute, gone after twenty.
    spike = np.clip((hour - begin) * 60, 0, 1) * (hour < begin + 1 / 3)
    today = shape * noise(rng, DAY, 1) * rng.uniform(0.85, 1.15) * (1 + 0.8 * spike)
    before = shape * noise(rng, DAY, 1)
    span = round(300 / STEP)
    means = before.reshape(-1, span).mean(axis=1).repeat(span)[:, None]
    return rng.poisson(today * STEP), means


def surge(seeds: int, rise: float, busy: float, minutes: int = 60):
    """An hour of traffic for `busy` replicas at the target of 90 until minute 20, when it grows
    by `rise` within a minute and stays; and the rate (req/s) itself."""
    minute = np.arange(0, minutes, STEP / 60)[:, None]
    base = busy * 90 / answer_seconds(90)
    rate = base * (1 + rise * np.clip(minute - 20, 0, 1))
    each = [np.random.default_rng(seed) for seed in range(seeds)]
    columns = [rng.poisson(rate * noise(rng, 60 * minutes, 1) * STEP) for rng in each]
    return np.concatenate(columns, axis=1), rate.repeat(seeds, axis=1)


class State(NamedTuple):
    """What a rule sees, summed over the replicas."""

    now: float
    wanted: np.ndarray
    ready: np.ndarray
    running: np.ndarray
    waiting: np.ndarray


# Rules: each recommends a count from a State.


def hold(state: State):
    """A fixed fleet."""
    return state.wanted


def scale_on(metric, target):
    """As KEDA does: `metric(state)` is a sum over the fleet, `target` is for each replica."""
    return lambda state: external(state.wanted, metric(state), target)


def per_pod(metric, target):
    """The HPA's rule for a metric of the pods that are ready: their mean."""
    return lambda s: desired_replicas(s.wanted, s.ready, metric(s) / s.ready, target)


def in_flight(state: State):
    return state.running + state.waiting


def forecast(rates, startup: float, goal, headroom: float = 1.0):
    """Replicas for the highest known rate until five minutes after a pod started now is ready."""
    size, ahead = replicas_for(rates, goal, headroom), startup + 300
    return lambda s: size[round(s.now / STEP) : round((s.now + ahead) / STEP)].max(
        axis=0
    )


def largest(*rules):
    """With several metrics the HPA takes the largest recommendation."""
    return lambda state: np.maximum.reduce([rule(state) for rule in rules])


# --8<-- [start:routing]
def least_outstanding(load, ready, new):
    """Fill the least loaded replicas up to one level, as a router does that counts."""
    level = np.sort(np.where(ready, load, np.inf), axis=-1).cumsum(axis=-1)
    level = (level + new) / np.arange(1, MOST + 1)
    return np.where(ready, np.maximum(level.min(axis=-1, keepdims=True) - load, 0), 0)


def evenly(load, ready, new):
    """To each ready replica as much as to any other, as a Service does."""
    return ready * new / ready.sum(axis=-1, keepdims=True)


# --8<-- [end:routing]


# --8<-- [start:replicas]
def advance(running, waiting, ready, new, route):
    """One step; what has been sent to a replica stays there, even if another has room."""
    sent = route(running + waiting, ready, new)
    running = running * np.exp(-STEP / answer_seconds(running))
    waiting = waiting + sent
    start = np.minimum(SLOTS - running, waiting)
    running, waiting = running + start, waiting - start
    # First come, first served, by a full batch: the last of the queue waits longest.
    late = np.clip(waiting - LIMIT * FULL_RATE, 0, sent)
    return running, waiting, late


# --8<-- [end:replicas]


def simulate(
    arrivals, rules: dict, startup, hpa=None, begin=6, route=None, taken=(0, 0)
):
    """Logs of all rules on the same days; every 15 s `hpa`, if any, applies its windows and limits.

    Of `taken`, the second is how many replicas the cloud takes back at the second that is the first."""
    place, route = np.arange(MOST), route or least_outstanding
    shape = (len(rules), arrivals.shape[1])
    wanted = ready = np.broadcast_to(np.asarray(begin, float), shape)
    running = np.zeros((*shape, MOST))
    waiting = np.zeros_like(running)
    history = deque([wanted], maxlen=round(startup / SYNC) + 1)
    log = {"wanted": [], "ready": [], "late": [], "held": [], "stranded": []}
    for step, new in enumerate(arrivals):
        now = step * STEP
        if now % SYNC == 0:
            sums = running.sum(axis=-1), waiting.sum(axis=-1)
            states = [
                State(now, *each) for each in zip(wanted, ready, *sums, strict=True)
            ]
            desired = np.array(
                [rule(s) for rule, s in zip(rules.values(), states, strict=True)]
            )
            wanted = hpa.step(now, wanted, desired) if hpa else desired
            history.append(wanted)
            # Ready is what was wanted all through the start-up; the newest go first.
            ready = np.minimum.reduce(history)
            gone = taken[1] * (taken[0] <= now < taken[0] + startup)
            open_ = place < np.maximum(ready - gone, 1)[..., None]
        running, waiting, late = advance(
            running, waiting, open_, new[None, :, None], route
        )
        # A removed replica is paid for until it has answered what it holds.
        held = (place < wanted[..., None]) | (running + waiting > 0.5)
        # Waiting at one replica while others have room.
        room = (open_ * (SLOTS - running)).sum(axis=-1)
        stranded = np.minimum(room, waiting.sum(axis=-1))
        sums = (each.sum(axis=-1) for each in (open_, late, held))
        for name, value in zip(log, (wanted, *sums, stranded), strict=True):
            log[name].append(value)
    full = {name: np.array(values) for name, values in log.items()}
    return {
        name: {key: value[:, row] for key, value in full.items()}
        for row, name in enumerate(rules)
    }


def summary(arrivals, log: dict) -> pd.DataFrame:
    """One row a day: cost, turns and removals of the count, late requests."""
    change = np.diff(log["wanted"], axis=0)
    turns = [np.count_nonzero(np.diff(np.sign(c[c != 0]))) for c in change.T]
    return pd.DataFrame(
        {
            "replica-hours": log["held"].sum(axis=0) * STEP / 3600,
            "reversals": turns,
            "removed": np.clip(-change, 0, None).sum(axis=0),
            "late": log["late"].sum(axis=0) / arrivals.sum(axis=0),
        }
    )


def scale_to_zero(times, startup: float, idle: float) -> tuple[float, float]:
    """Share of time without a replica, and share of requests that wait for one."""
    off = gone = ready = 0.0
    cold = 0
    for t in times:
        # Nobody there: start one.
        if t > gone:
            off, ready = off + t - gone, t + startup
        cold += t < ready
        gone = max(t, ready) + idle
    return off / times[-1], cold / len(times)


def place(sizes: list[int], pack: bool, nodes: int = 8, each: int = 8):
    """Free GPUs on each node once pods of these sizes stand on the fullest or the emptiest node that fits."""
    free = np.full(nodes, each)
    choose = np.argmin if pack else np.argmax
    for size in sizes:
        fits = np.flatnonzero(free >= size)
        free[fits[choose(free[fits])]] -= size
    return free
