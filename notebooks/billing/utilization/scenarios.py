"""The questions put to the engine; each answers with what it cost and how long people waited."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from facts import fact
from serving import (
    MOE_KV_BYTES,
    MOE_PARAMETERS,
    SLOTS,
    Engine,
    Replica,
    Request,
    bursty,
    dense,
    draw,
    kv_tokens,
    least_outstanding,
    merge,
    mixture,
    p95_first,
    p95_gap,
    poisson,
    serve,
    weighted_least,
    weighted_round_robin,
)
from transformer_costs import accelerator, transformer

A100, H100 = accelerator("a100_80gb_sxm"), accelerator("h100_sxm")
MODEL = transformer("llama_3_1_8b")
PRICE = 3.0  # $ a device-hour, assumed
FIRST, TOKEN = 1.0, 0.030  # the objective: seconds to the first token, and a token
WARM_UP, WINDOW, TAIL = 30, 120, 20  # seconds; arrivals go on through the tail
SHORT = (15, 45, 10)  # for pools, to which many more arrive
MEMORY = fact("vllm_defaults.gpu_memory_utilization")
SEEDS = range(5)


@dataclass(frozen=True)
class Served:
    """A model on a device."""

    engine: Engine
    kv_limit: int

    def replicas(self, count: int, slots: int = SLOTS) -> list[Replica]:
        return [Replica(self.engine, self.kv_limit, slots) for _ in range(count)]

    # --8<-- [start:capacity]
    def capacity(self, cached: float = 0, slots: int = SLOTS) -> float:
        """Full throughput: requests a second while somebody always waits."""
        (replica,) = self.replicas(1, slots)
        requests = draw(np.random.default_rng(1), [0] * 2_000)
        for request in requests:
            request.cached = int(request.prompt * cached)
        serve([replica], requests, least_outstanding)
        return len(requests) / replica.clock

    # --8<-- [end:capacity]


def kv(share: float = MEMORY) -> int:
    return kv_tokens(2 * MODEL.parameters, MODEL.kv_bytes(), share)


DENSE_8B = Served(dense(MODEL, H100), kv())
MOE_30B = Served(mixture(H100), kv_tokens(MOE_PARAMETERS, MOE_KV_BYTES, MEMORY))
OLD_8B = Served(dense(MODEL, A100), kv())


# --8<-- [start:cost]
def usd_per_1000(devices: int, seconds: float, requests: int) -> float:
    """Of 1,000 such requests, when `devices` are paid for all of `seconds`."""
    return 1000 * devices * seconds * PRICE / 3600 / max(requests, 1)


# --8<-- [end:cost]


def at_load(
    load: float,
    seed: int,
    served: Served,
    full: float,
    replicas: int = 1,
    slots: int = SLOTS,
    seconds: tuple[int, int, int] = (WARM_UP, WINDOW, TAIL),
) -> dict[str, float]:
    """A pool to which `load` of its full throughput arrives; the window alone is counted."""
    pool, rng = served.replicas(replicas, slots), np.random.default_rng(seed)
    requests = draw(rng, poisson(rng, load * full * replicas, sum(seconds)))
    serve(pool, requests, least_outstanding)
    warm_up, window, _ = seconds
    seen = within(requests, warm_up, window)
    on_time = sum(r.on_time(FIRST, TOKEN) for r in seen)
    in_20_ms = sum(r.on_time(FIRST, 0.020) for r in seen)
    return {
        "on time": on_time / len(seen),
        "$ per 1,000 on time": usd_per_1000(replicas, window, on_time),
        "$ per 1,000 in 20 ms": usd_per_1000(replicas, window, in_20_ms),
        "$ per 1,000": usd_per_1000(replicas, window, len(seen)),
        "p95 first [s]": p95_first(seen),
        "p95 token [ms]": p95_gap(seen),
        "GPU-Util": sum(r.busy for r in pool) / sum(r.clock for r in pool),
    }


def within(requests: list[Request], start: float, seconds: float) -> list[Request]:
    """Those that arrive in the window of so many seconds."""
    return [r for r in requests if start <= r.arrival < start + seconds]


def curve(loads: Sequence[float], *setting, **options) -> pd.DataFrame:
    """A row for each load and seed."""
    rows = {(x, s): at_load(x, s, *setting, **options) for x in loads for s in SEEDS}
    return pd.DataFrame(rows).T.rename_axis(["load", "seed"])


def usable_load(runs: pd.DataFrame, share: float = 0.95) -> np.ndarray:
    """For each seed, the load at which `share` of the requests are still on time."""
    on_time = runs["on time"].unstack()
    return np.array(
        [np.interp(-share, -s.cummin(), on_time.index) for _, s in on_time.items()]
    )


def at_slots(slots: int, full: float) -> dict[str, float]:
    """How a cap on concurrency changes what it costs, and what breaks first at 90% of `full`."""
    runs = curve((0.7, 0.75, 0.8, 0.9), DENSE_8B, full, slots=slots)
    mean = runs.groupby("load").mean()
    return {
        "full throughput [requests/s]": DENSE_8B.capacity(slots=slots),
        "cheapest [requests/s]": full * mean["$ per 1,000 on time"].idxmin(),
        "p95 first [s]": mean["p95 first [s]"][0.9],
        "p95 token [ms]": mean["p95 token [ms]"][0.9],
    }


def together(concurrency: int) -> float:
    """Tokens a second of Llama 3.1 8B on an A100 with 40 GB: 1,024 in, 128 out, as published."""
    device = dense(MODEL, A100)
    share = 1.555 / 2.039  # of the bandwidth of the A100 with 80 GB
    slower = Engine(**(vars(device) | {"bandwidth": device.bandwidth * share}))
    replica, requests = (
        Replica(slower, 10**6),
        [Request(0, 1024, 128) for _ in range(concurrency)],
    )
    serve([replica], requests, least_outstanding)
    return 128 * concurrency / replica.clock


QUIET, BURST = 0.2, 4  # requests a second; bursts add to the quiet
BURST_SECONDS, SPAN = 10, 200


def twelve_streams(seed: int, in_step: bool) -> list[list[Request]]:
    """Of twelve models, each with two bursts: at times of its own, or all at the same."""
    rng = np.random.default_rng(seed)
    starts = WARM_UP + rng.random((12, 2)) * (SPAN - WARM_UP - BURST_SECONDS)
    if in_step:
        starts[:] = starts[0]
    arrivals = [bursty(rng, QUIET, BURST, SPAN, BURST_SECONDS, each) for each in starts]
    return [draw(rng, each, model=i) for i, each in enumerate(arrivals)]


def twelve_models(
    engines: int,
    engine: Engine,
    kv_limit: int,
    devices: int = 0,
    apart: bool = False,
    in_step: bool = False,
) -> pd.DataFrame:
    """On so many `devices`, or one an engine; the engines take the models in turn."""
    rows = []
    for streams in (twelve_streams(seed, in_step) for seed in SEEDS):
        pool = [Replica(engine, kv_limit, apart=apart) for _ in range(engines)]
        for i, replica in enumerate(pool):
            serve([replica], merge(*streams[i::engines]), least_outstanding)
        seen = within(merge(*streams), WARM_UP, SPAN)
        on_time = sum(r.on_time(FIRST, TOKEN) for r in seen)
        cost = usd_per_1000(devices or engines, SPAN - WARM_UP, on_time)
        busy = sum(r.busy for r in pool) / sum(r.clock for r in pool)
        rows.append((devices or engines, on_time / len(seen), cost, busy))
    columns = ["H100s", "on time", "$ per 1,000 on time", "GPU-Util"]
    return pd.DataFrame(rows, SEEDS, columns)


# Batch work in flight together with online requests, at most; and whether online goes first.
MIXES = {
    "online": (0, True),
    "priority, no cap": (4_000, True),
    "priority, cap 96": (96, True),
    "priority, cap 48": (48, True),
    "one queue, cap 48": (48, False),
}


def day(seed: int, rate: float) -> pd.DataFrame:
    """A day in 240 seconds: online alone, and with batch work that always waits at the gateway."""
    seconds = 240
    swing = poisson(
        np.random.default_rng(seed),
        0.7 * rate,
        seconds,
        lambda t: 0.5 - 0.45 * np.cos(2 * np.pi * t),
    )
    rows = {}
    for name, (cap, priority) in MIXES.items():
        rng = np.random.default_rng(seed)
        online, batch = draw(rng, swing), draw(rng, [0] * 4_000)
        (replica,) = DENSE_8B.replicas(1)
        replica.release_to, replica.priority = cap, priority
        replica.backlog.extend(batch)
        serve([replica], online, least_outstanding)
        done = sum(request.done <= seconds for request in batch)
        in_time = sum(r.on_time(FIRST, TOKEN) for r in online)
        rows[name] = {
            "load": (len(online) + done) / seconds / rate,
            "online on time": in_time / len(online),
            "p95 first [s]": p95_first(online),
            "$ per 1,000": usd_per_1000(1, seconds, in_time + done),
        }
    return pd.DataFrame(rows).T


ROUTES = ["round robin", "least outstanding"]
ROUTES += [f"weighted {route}" for route in ROUTES]


def mixed_pool(route: str, load: float, total: float, seed: int) -> float:
    """Share on time on two H100s and two A100s."""
    weights = [3, 3, 1, 1]
    pool, rng = DENSE_8B.replicas(2) + OLD_8B.replicas(2), np.random.default_rng(seed)
    requests = draw(rng, poisson(rng, load * total, sum(SHORT)))
    routes = {
        "round robin": weighted_round_robin([1] * 4),
        "least outstanding": least_outstanding,
        "weighted round robin": weighted_round_robin(weights),
        "weighted least outstanding": weighted_least(dict(zip(pool, weights))),
    }
    serve(pool, requests, routes[route])
    seen = within(requests, SHORT[0], SHORT[1])
    return sum(r.on_time(FIRST, TOKEN) for r in seen) / len(seen)
