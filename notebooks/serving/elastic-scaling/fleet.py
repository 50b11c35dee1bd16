"""A stated model of an LLM fleet: traffic, replicas that batch continuously, one queue. One column is one day."""

from collections import deque

import numpy as np
import pandas as pd
from hpa import desired_replicas

# Seconds; 15 s is the HPA's default period.
STEP, SYNC, DAY = 5, 15, 86400
# Sequences that fit a replica's KV cache; mean output tokens.
SLOTS, TOKENS = 32, 800


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
    morning = 9 * np.exp(-(((hour - 10.5) / 2.2) ** 2))
    evening = 14 * np.exp(-(((hour - 20) / 2.6) ** 2))
    rates = []
    for _ in range(2):
        # One value a minute, correlated over some ten minutes.
        noise = np.zeros((1440, days))
        for minute in range(1, 1440):
            noise[minute] = 0.9 * noise[minute - 1] + rng.normal(0, 0.03, days)
        varied = np.exp(noise.repeat(60 // STEP, axis=0))
        rates.append((3 + morning + evening) * varied)
    begin = np.full(days, 9.0) if daily else rng.uniform(8, 18, days)
    # Up within a minute, gone after twenty.
    spike = np.clip((hour - begin) * 60, 0, 1) * (hour < begin + 1 / 3)
    today = rates[0] * rng.uniform(0.85, 1.15, days) * (1 + 0.8 * spike)
    before = rates[1] * (1 + 0.8 * spike * daily)
    span = 300 // STEP
    means = before.reshape(-1, span, days).mean(axis=1)
    return rng.poisson(today * STEP), means.repeat(span, axis=0)


# Rules: each recommends a count from (now, wanted, ready, running, waiting).


def hold(now, wanted, *state):
    """A fixed fleet."""
    return wanted


def per_pod(metric, goal):
    """The HPA rule for `metric(running, waiting)` of one replica."""
    return lambda now, wanted, ready, running, waiting: desired_replicas(
        wanted, ready, metric(running / ready, waiting / ready), goal
    )


def forecast(rates, startup: int, goal, headroom: float):
    """Replicas for yesterday's highest rate until five minutes after a pod started now is ready."""
    size, ahead = replicas_for(rates, goal, headroom), startup + 300
    return lambda now, *state: size[now // STEP : (now + ahead) // STEP].max(axis=0)


def largest(*rules):
    """With several metrics the HPA takes the largest recommendation."""
    return lambda *state: np.maximum.reduce([rule(*state) for rule in rules])


def simulate(arrivals, rules: dict, startup: int, hpa=None, begin=10) -> dict:
    """Logs of all rules on the same days; every 15 s `hpa`, if any, applies its windows and limits to each."""
    rng = np.random.default_rng(0)
    shape = (len(rules), arrivals.shape[1])
    wanted = ready = np.broadcast_to(np.asarray(begin, float), shape)
    running, waiting = np.zeros(shape, int), np.zeros(shape, int)
    history = deque([wanted], maxlen=startup // SYNC + 1)
    log = {"wanted": [], "ready": [], "started": []}
    every = SYNC // STEP
    for step, new in enumerate(arrivals):
        if step % every == 0:
            if step:
                now, state = step * STEP, (wanted, ready, running, waiting)
                each = zip(rules.values(), *state)
                desired = np.array([rule(now, *own) for rule, *own in each])
                wanted = hpa.step(now, wanted, desired) if hpa else desired
            history.append(wanted)
            # Ready is what was wanted all through the start-up: a ReplicaSet removes its newest pods first.
            ready = np.minimum.reduce(history)
            log["wanted"].append(wanted)
            log["ready"].append(ready)
            room = (SLOTS * ready).astype(int)
        batch = np.minimum(running / ready, SLOTS)
        # Mean life: answer_seconds. A drained replica's streams run on.
        running = running - rng.binomial(running, STEP / answer_seconds(batch))
        waiting = waiting + new
        start = np.minimum(np.maximum(room - running, 0), waiting)
        running, waiting = running + start, waiting - start
        log["started"].append(start)
    repeats = {"wanted": every, "ready": every, "started": 1}
    full = {key: np.array(log[key]).repeat(n, axis=0) for key, n in repeats.items()}
    return {
        name: {key: values[:, row] for key, values in full.items()}
        for row, name in enumerate(rules)
    }


def waits(arrivals, started):
    """Seconds from arrival to start of each step's last request, first come first served."""
    arrived, served = arrivals.cumsum(axis=0), started.cumsum(axis=0)
    pairs = zip(served.T, arrived.T)
    steps = np.stack([np.searchsorted(s, a) for s, a in pairs], axis=1)
    return (steps - np.arange(len(arrivals))[:, None]) * STEP


def summary(arrivals, log: dict, drain: int = 120, limit: int = 10) -> pd.DataFrame:
    """One row a day: cost with each removed replica's drain, turns and changes of the count, late requests."""
    wanted, late = log["wanted"], waits(arrivals, log["started"]) > limit
    change = np.diff(wanted, axis=0)
    removed = np.clip(-change, 0, None).sum(axis=0)
    turns = [np.count_nonzero(np.diff(np.sign(c[c != 0]))) for c in change.T]
    return pd.DataFrame(
        {
            "replica-hours": (wanted.sum(axis=0) * STEP + removed * drain) / 3600,
            "removed": removed,
            "changes": np.count_nonzero(change, axis=0),
            "reversals": turns,
            "late": (late * arrivals).sum(axis=0) / arrivals.sum(axis=0),
        }
    )


def late_share(rate: float, pods: int, limit: int = 10) -> float:
    """Exact share that waits longer than `limit` under constant traffic: a birth-death chain whose rate follows the batch."""
    full, n = SLOTS * pods, np.arange(1, 4000)
    busy = np.minimum(n, full)
    growth = np.log(rate / (busy / answer_seconds(busy / pods)))
    logs = np.concatenate([[0], np.cumsum(growth)])
    state = np.exp(logs - logs.max())
    # Answers that finish within the limit; a request is late if they are no more than those queued before it.
    capacity = limit * full / answer_seconds(SLOTS)
    finish = np.sort(np.random.default_rng(0).poisson(capacity, 20_000))
    ahead = np.arange(len(state) - full)
    too_few = np.searchsorted(finish, ahead, side="right") / len(finish)
    return float(state[full:] @ too_few / state.sum())


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
