# ---
# jupyter:
#   qa:
#     seconds: 15
#     unchecked:
#       flow-control.yaml: the configuration of llm-d's router has no published schema; the notebook checks what it says
# ---

# %% [markdown]
# # 如何处理并发请求与负载均衡？ · How do you handle concurrent requests and balance load?
#
# 真实的引擎（llama.cpp，SmolLM2-135M）：批的大小与速度，网关的有界队列、期限与优先级，前缀亲和、熔断和取消；在途上限、抢占与慢副本按测得的步时仿真。
#
# A real engine (llama.cpp, SmolLM2-135M): batch size and speed, a gateway's bounded queue, deadlines and priorities, prefix affinity, breakers, cancelling; limits in flight, preemption and a slow replica simulated with the measured step.

# %% name="little"
import math

from facts import fact
from transformer_costs import transformer

llama, vllm = transformer("llama_3_1_8b"), fact("vllm_defaults")
WORKSPACE = 3e9  # bytes: assumed
kv_bytes = vllm["gpu_memory_utilization"] * fact("h100_sxm.memory_gb") * 1e9
kv_bytes -= 2 * llama.parameters + WORKSPACE
kv_blocks = int(kv_bytes // (llama.kv_bytes() * vllm["block_size_tokens"]))
kv_kib = llama.kv_bytes() / 1024
kv_ktokens = kv_blocks * vllm["block_size_tokens"] / 1000
seats_chat = kv_blocks // math.ceil((2_000 + 500) / vllm["block_size_tokens"])
seats_long = kv_blocks // math.ceil((32_000 + 500) / vllm["block_size_tokens"])
seconds_chat = 0.5 + 500 * 0.030  # assumed: first token, then 30 ms for each
rate_chat = seats_chat / seconds_chat  # Little's law, L = lambda x W
rate_1024 = 1_024 / seconds_chat  # what a proxy's cap of 1,024 requests lets through
assert kv_kib == 128 and 416 < kv_ktokens < 417
assert seats_chat == 165 and seats_long == 12 and 65 < rate_1024 < 67
assert 10 < rate_chat < 12 and seconds_chat == 15.5
print(f"{kv_blocks:,} KV blocks: {seats_chat} chats or {seats_long} long documents")

# %% name="positions"
from pathlib import Path

import yaml


def positions(served: float) -> int:
    """How many may wait if 95 % are to begin while `served` requests are answered,
    answers being as irregular as a Poisson process: n answers take n +- sqrt(n)."""
    return max(n for n in range(1_000) if n + 1.64 * math.sqrt(n) <= served)


SEQUENCES, PER_S, WAIT_S, REPLICAS = 128, 8, 2, 4  # the example of "Do this"
engine_limit = SEQUENCES + positions(PER_S * WAIT_S)
pool_queue = positions(REPLICAS * PER_S * WAIT_S)
served = Path("serve.sh").read_text()
config = yaml.safe_load(Path("flow-control.yaml").read_text())
flow, detector = config["flowControl"], config["plugins"][-1]
assert f"--max-num-seqs {SEQUENCES} --max-num-queued-reqs {engine_limit}\n" in served
assert detector["parameters"]["maxConcurrency"] == SEQUENCES
assert flow["maxRequests"] == str(pool_queue)
assert flow["defaultRequestTTL"] == f"{WAIT_S}s"
assert config["apiVersion"] == "llm-d.ai/v1alpha1"  # what router 0.9 registers
print(f"{engine_limit} in flight at an engine, {pool_queue} waiting for {REPLICAS}")

# %% name="quota"
import pandas as pd
from gateway import Call, Gateway, Quota, limited, verdict

TRAFFIC = [("chat", 4)] * 12 + [("batch", 20)] * 4  # tenant, max_tokens

quota = pd.concat(
    {
        "by requests": limited(TRAFFIC, "requests", 6),
        "by tokens": limited(TRAFFIC, "tokens", 48),
    }
)
batch_refused_r, chat_refused_r, batch_refused_t, chat_refused_t = quota[
    "refused (429)"
]
batch_tokens_r, chat_tokens_r, batch_tokens_t, chat_tokens_t = quota["tokens admitted"]
assert chat_refused_r == 6 and batch_refused_r == 0 and batch_tokens_r > chat_tokens_r
assert chat_refused_t == 0 and batch_refused_t == 2

# Who waits as long as Retry-After says gets in, and no sooner; a full server is a 503.
now = [0.0]  # a clock that the notebook moves
bucket = Quota("tokens", 48, per_s=4, clock=lambda: now[0])
gateway, heavy = Gateway("", 4, 80, bucket), Call(tenant="batch", tokens=40)
assert verdict(gateway, heavy) == (200, 0) and verdict(gateway, heavy) == (429, 8)
now[0] += 7
assert verdict(gateway, heavy) == (429, 1)
now[0] += 1
assert verdict(gateway, heavy) == (200, 0)
assert verdict(gateway, Call(tenant="new", tokens=48)) == (503, 3)
assert "new" not in bucket.levels
quota

# %% name="curve" tags=["volatile"]
import numpy as np
from fleet import Cost
from language_model import Engine
from measure import cpu_ms

BATCHES, TOKENS, PROMPT = (1, 8), 8, 41
engine = Engine(slots=8, context=2048, cache_ram_mib=0)
cpu_ms(engine, ["warm up"], 2)
decode = {b: cpu_ms(engine, ["Once"] * b, TOKENS) for b in BATCHES}
prefill = cpu_ms(engine, ["a b c d " * 10], 1) / PROMPT

per_step = {b: ms / TOKENS for b, ms in decode.items()}
sequence = (per_step[8] - per_step[1]) / 7  # a line through both
base = max(per_step[1] - sequence, 0.1 * sequence)
cost = Cost(base, sequence, prefill)
step_growth = per_step[8] / per_step[1]
batch_gain = 8 / step_growth
assert batch_gain > 1.1 and step_growth > 1.5  # more in all, each stream slower
curve = {b: (ms, 1000 * b / ms) for b, ms in per_step.items()}
curve = pd.DataFrame(curve, index=["step [ms]", "tokens per CPU second"]).T
curve.rename_axis("sequences in the batch").round(1)

# %% name="queue" tags=["volatile"]
from fleet import capacity, overload

SEATS, LOAD = 8, 1.3  # of capacity
per_ms = capacity(cost, SEATS)


def goodput(limit: float, served: float, load: float = LOAD) -> pd.Series:
    """By seed; the first token's deadline is the time in which `served` are answered."""
    return overload(cost, SEATS, load, limit, served / per_ms).goodput


rows = {}
for served in (4, 8, 16):
    tried = {SEATS + round(served * part / 6) for part in range(8)}
    by_formula, naive = SEATS + positions(served), SEATS + served
    means = {n: goodput(n, served).mean() for n in sorted(tried | {by_formula})}
    rows[served] = by_formula, means[by_formula], max(means.values()), means[naive]
queue = pd.DataFrame(
    rows, index=["limit", "goodput with it", "best of all limits", "sequences + μD"]
).T.rename_axis("deadline [requests answered by then]")
CHOSEN = SEATS + positions(8)
limited_8, unlimited_8 = goodput(CHOSEN, 8), goodput(math.inf, 8)
goodput_low, goodput_high = limited_8.min(), limited_8.max()
goodput_unbounded, goodput_naive = unlimited_8.max(), queue["sequences + μD"].max()
gap = (queue["best of all limits"] - queue["goodput with it"]).max()
gap_bound = 0.03
assert gap < gap_bound and goodput_low > 0.9 and CHOSEN == 12
assert goodput_naive < queue["goodput with it"].min() - 0.08
assert goodput_unbounded < 0.08
queue.round(2)

# %% name="preemption" tags=["volatile"]
from fleet import MEAN_OUTPUT, MEAN_PROMPT, finished

SEEDS, KV_TOKENS = range(5), 8 * (MEAN_PROMPT + MEAN_OUTPUT)  # eight of mean length


by_seats = {
    n: np.array([finished(cost, n, KV_TOKENS, seed) for seed in SEEDS])
    for n in (4, 6, 8, 32)
}
preemption = pd.DataFrame(
    {n: runs.mean(axis=0) for n, runs in by_seats.items()},
    index=["answered [share of capacity]", "recomputed [per request token]"],
).T.rename_axis("sequences at most")
(_, few), (_, half), (fit_rate, fit), (crowded_rate, crowded) = preemption.to_numpy()
lost = 1 - crowded_rate / fit_rate
assert by_seats[8][:, 0].min() > by_seats[32][:, 0].max() and lost > 0.03
assert few == 0 and half < 0.02 < fit and crowded > 2 * fit
preemption.round(2)

# %% name="route" tags=["volatile"]
import routing
from fleet import late_share

STALE, SLOWDOWN = 64, 3
POLICIES = (routing.round_robin, routing.least_outstanding, routing.two_choices)
(rr, _), (lo, stale_lo), (two, stale_two) = lates = [
    [
        [late_share(cost, SEATS, p, refresh, s, SLOWDOWN) for s in SEEDS]
        for refresh in (1, STALE)
    ]
    for p in POLICIES
]
assert max(lo + two) < 0.02 and 0.11 < min(rr) and max(rr) < 0.13  # one in eight
assert max(stale_two) < 0.08 < min(stale_lo)
rr_late, lo_late, two_late = (float(np.mean(runs)) for runs in (rr, lo, two))
stale_lo_late, stale_two_late = float(np.mean(stale_lo)), float(np.mean(stale_two))
pd.DataFrame(
    np.mean(lates, axis=2),
    index=["round robin", "least outstanding", "two choices"],
    columns=["late, fresh loads [share]", "late, loads 64 requests old [share]"],
).round(3)

# %% name="sweep-load" tags=["volatile", "sweep"] flips="break_even"
LOADS = (0.6, 0.8, 0.9, 1.0, 1.1, 1.3)
with_limit = {load: goodput(CHOSEN, 8, load) for load in LOADS}
without = {load: goodput(math.inf, 8, load) for load in LOADS}
sweep = pd.DataFrame(
    {
        "limit of 12 [share of capacity]": {n: g.mean() for n, g in with_limit.items()},
        "no limit [share of capacity]": {n: g.mean() for n, g in without.items()},
    }
).rename_axis("offered load [share of capacity]")
# The first load at which every seed serves more in time with the limit.
gains = (n for n in LOADS if (with_limit[n] - without[n]).min() > 0)
break_even = min(gains, default=math.inf)
assert 0.8 < break_even <= 1.1 and sweep.iloc[-1, 0] > 0.9 > 0.1 > sweep.iloc[-1, 1]
assert abs(with_limit[0.6].mean() - without[0.6].mean()) < 0.02
sweep.round(2)

# %% name="late" tags=["volatile"]
from gateway import answers, judge

BURST, LENGTH, DEADLINES = 10, 3, (12, 15, 18)  # requests, tokens; tokens from now


all_ended = await answers(engine, BURST, LENGTH, {})
unlimited = [judge(d, *all_ended) for d in DEADLINES]
dropped = [
    judge(d, *await answers(engine, BURST, LENGTH, {"deadline": d})) for d in DEADLINES
]
refused = [
    judge(d, *await answers(engine, BURST, LENGTH, {}, max_backlog=d))
    for d in DEADLINES
]
columns = ["in time", "late", "refused (503)"]
late_table = pd.DataFrame(
    [sum(unlimited), sum(dropped), sum(refused)],
    index=["no limit", "expired are dropped", "refused on arrival"],
    columns=columns,
)
served_late, dropped_late, bounded_late = late_table["late"]
bounded_in_time, offered = int(late_table["in time"].iloc[2]), BURST * len(DEADLINES)
# In any order, no more than d // LENGTH can be answered by d.
assert bounded_in_time == sum(d // LENGTH for d in DEADLINES) and bounded_late == 0
assert all(late >= BURST - d // LENGTH for d, (_, late, _) in zip(DEADLINES, unlimited))
assert all(
    late_ones + gone >= BURST - d // LENGTH and gone > 0
    for d, (_, late_ones, gone) in zip(DEADLINES, dropped)
)
assert served_late > dropped_late >= 2
late_table


# %% name="priority" tags=["volatile"]
from gateway import batch_ahead

ahead_fifo, ahead_priority = await batch_ahead(engine, 1), await batch_ahead(engine, 0)
assert ahead_fifo == 8 and ahead_priority == 0
print(f"{ahead_fifo} batch calls first by arrival, {ahead_priority} by priority")

# %% name="cancel" tags=["volatile"]
from gateway import abandoned

LONG = 40
tokens_stream, tokens_plain = await abandoned(engine, LONG, after=5)
assert tokens_stream < 30 and tokens_plain == LONG
print(f"tokens made: {tokens_stream} when streamed, {tokens_plain} by a plain call")

# %% name="prefix" tags=["volatile"]
from routing import cached, peak

engines = [engine, *(Engine(slots=8, context=1024, cache_ram_mib=0) for _ in range(2))]
hits_lo = await cached(engines, routing.least_outstanding)
hits_affinity = await cached(engines, routing.prefix_affinity)
hot, hot_bounded = (
    await peak(engines, routing.prefix_affinity),
    await peak(engines, routing.bounded_affinity),
)
assert hits_affinity > hits_lo + 0.1 and (hot, hot_bounded) == (6, 3)
print(
    f"cached: {hits_lo:.0%} with least outstanding, {hits_affinity:.0%} with affinity"
)
print(f"at one engine at once: {hot} of 6 without a bound, {hot_bounded} with it")

# %% name="black-hole" tags=["volatile"]
from routing import Balancer, Breaker, phase

CALLS, WORKERS = 15, 4
cooldown = [0.0]  # a clock that the notebook moves: nobody waits for the cool-down
breakers = [Breaker(lambda: cooldown[0]) for _ in engines]
guarded = Balancer(engines, routing.least_outstanding, breakers)


engines[2].stop()
phases = {
    "round robin": await phase(Balancer(engines, routing.round_robin), CALLS, WORKERS),
    "least outstanding": await phase(
        Balancer(engines, routing.least_outstanding), CALLS, WORKERS
    ),
    "breaker opens": await phase(guarded, CALLS, WORKERS),
}
cooldown[0] += 10
phases["probe, still dead"] = await phase(guarded, CALLS, WORKERS)
engines[2] = guarded.engines[2] = Engine(slots=8, context=1024, cache_ram_mib=0)
cooldown[0] += 10
phases["probe, restarted"] = await phase(guarded, CALLS, WORKERS)

faults = pd.DataFrame(phases).T
errors_rr, errors_lo, errors_cb, errors_probe, errors_after = faults.errors.tolist()
share_after = phases["probe, restarted"]["to replica 2"] / CALLS
assert errors_rr == CALLS / 3 and errors_lo > 1.5 * errors_rr
assert 3 <= errors_cb < 3 + WORKERS and errors_probe == 1
assert errors_after == 0 and share_after > 0.1
for each in engines:
    each.stop()
faults
