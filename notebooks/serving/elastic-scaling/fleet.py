"""A stated model of an LLM fleet: traffic, replicas that batch continuously, one queue. One column is one day."""

from collections import deque

import numpy as np

STEP, SYNC, DAY = 5, 15, 86400  # seconds; 15 s is the HPA's default period
SLOTS, TOKENS = 32, 800  # sequences that fit a replica's KV cache; mean output tokens


def answer_seconds(batch):
    """A token takes 20 ms plus 0.5 ms for each sequence in the batch, interleaved prefill included."""
    return TOKENS * (0.020 + 0.0005 * batch)


def replicas_for(rate, goal, headroom: float):
    """Little's law: requests in flight are rate times time, `goal` of them to a replica."""
    return np.ceil(headroom * rate * answer_seconds(goal) / goal)


def traffic(rng, days: int, daily: bool = False):
    """Requests per step today, and yesterday's rate (req/s) as the forecaster knows it: 5-minute means.

    A spike of 80% lasts twenty minutes, at an hour nobody knows or, if `daily`, at nine both days."""
    hour = np.arange(0, 24, STEP / 3600)[:, None]
    shape = (
        3
        + 9 * np.exp(-(((hour - 10.5) / 2.2) ** 2))
        + 14 * np.exp(-(((hour - 20) / 2.6) ** 2))
    )
    rates = []
    for _ in range(2):
        noise = np.zeros(
            (1440, days)
        )  # one value a minute, correlated over some ten minutes
        for minute in range(1, 1440):
            noise[minute] = 0.9 * noise[minute - 1] + rng.normal(0, 0.03, days)
        rates.append(shape * np.exp(noise.repeat(60 // STEP, axis=0)))
    begin = np.full(days, 9.0) if daily else rng.uniform(8, 18, days)
    spike = np.clip((hour - begin) * 60, 0, 1) * (
        hour < begin + 1 / 3
    )  # up within a minute, gone after twenty
    today = rates[0] * rng.uniform(0.85, 1.15, days) * (1 + 0.8 * spike)
    before = rates[1] * (1 + 0.8 * spike * daily)
    yesterday = (
        before.reshape(-1, 300 // STEP, days).mean(axis=1).repeat(300 // STEP, axis=0)
    )
    return rng.poisson(today * STEP), yesterday


def simulate(arrivals, control, startup: int, seed: int = 0) -> dict:
    """`control(now, wanted, ready, running, waiting)` answers every 15 s with the replicas it wants."""
    rng = np.random.default_rng(seed)
    wanted = control(0, None, None, None, None)
    running, waiting = np.zeros(wanted.shape, int), np.zeros(wanted.shape, int)
    history = deque([wanted], maxlen=startup // SYNC + 1)
    ready = wanted
    log = {"wanted": [], "ready": [], "started": []}
    every = SYNC // STEP
    for step, new in enumerate(arrivals):
        if step % every == 0:
            if step:
                wanted = control(step * STEP, wanted, ready, running, waiting)
            history.append(wanted)
            # Ready is what was wanted all through the start-up: a ReplicaSet removes its newest pods first.
            ready = np.minimum.reduce(history)
            log["wanted"].append(wanted)
            log["ready"].append(ready)
            room = (SLOTS * ready).astype(int)
        batch = np.minimum(running / ready, SLOTS)
        running = running - rng.binomial(
            running, STEP / answer_seconds(batch)
        )  # mean life: answer_seconds
        waiting = waiting + new
        start = np.minimum(
            np.maximum(room - running, 0), waiting
        )  # a drained replica's streams run on
        running, waiting = running + start, waiting - start
        log["started"].append(start)
    return {
        name: np.array(values).repeat(1 if name == "started" else every, axis=0)
        for name, values in log.items()
    }


def waits(arrivals, started):
    """Seconds from arrival to start of each step's last request, first come first served."""
    arrived, served = arrivals.cumsum(axis=0), started.cumsum(axis=0)
    steps = np.stack(
        [np.searchsorted(s, a) for s, a in zip(served.T, arrived.T)], axis=1
    )
    return (steps - np.arange(len(arrivals))[:, None]) * STEP


def summary(arrivals, log: dict, drain: int = 120, limit: int = 10) -> dict:
    """One value a day: cost with each removed replica's drain, requests that waited too long, changes of the count."""
    wanted, late = log["wanted"], waits(arrivals, log["started"]) > limit
    change = np.diff(wanted, axis=0)
    hours = (
        wanted.sum(axis=0) * STEP + np.clip(-change, 0, None).sum(axis=0) * drain
    ) / 3600
    turns = [np.count_nonzero(np.diff(np.sign(c[c != 0]))) for c in change.T]
    return {
        "replica-hours": hours,
        "late": (late * arrivals).sum(axis=0) / arrivals.sum(axis=0),
        "changes": np.count_nonzero(change, axis=0),
        "reversals": np.array(turns),
    }


def late_share(rate: float, pods: int, limit: int = 10) -> float:
    """Exact share that waits longer than `limit` under constant traffic: a birth-death chain whose rate follows the batch."""
    full, n = SLOTS * pods, np.arange(1, 4000)
    busy = np.minimum(n, full)
    logs = np.concatenate(
        [[0], np.cumsum(np.log(rate / (busy / answer_seconds(busy / pods))))]
    )
    state = np.exp(logs - logs.max())
    finish = np.random.default_rng(0).poisson(
        limit * full / answer_seconds(SLOTS), 20_000
    )  # in `limit` seconds
    ahead = np.arange(
        len(state) - full
    )  # queued before the new request, one more than these must finish
    too_few = np.searchsorted(np.sort(finish), ahead, side="right") / len(finish)
    return float(state[full:] @ too_few / state.sum())


def scale_to_zero(times, startup: float, idle: float) -> tuple[float, float]:
    """Share of time without a replica, and share of requests that wait for one."""
    off = gone = ready = 0.0
    cold = 0
    for t in times:
        if t > gone:  # nobody there: start one
            off, ready = off + t - gone, t + startup
        cold += t < ready
        gone = max(t, ready) + idle
    return off / times[-1], cold / len(times)


def place(sizes: list[int], pack: bool, nodes: int = 8, each: int = 8):
    """Free GPUs on each node once pods of these sizes have been placed, on the fullest or the emptiest node that fits."""
    free = np.full(nodes, each)
    for size in sizes:
        fits = np.flatnonzero(free >= size)
        free[fits[(np.argmin if pack else np.argmax)(free[fits])]] -= size
    return free
