# ---
# jupyter:
#   qa:
#     seconds: 12
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

llama, share = transformer("llama_3_1_8b"), fact("vllm_defaults.gpu_memory_utilization")
WORKSPACE = 3e9  # bytes: assumed
memory = share * fact("cuda_memory.h100_gib") * 2**30
kv_kib, block = llama.kv_bytes() / 1024, fact("vllm_defaults.block_size_tokens")
kv_bytes = memory - 2 * llama.parameters - WORKSPACE
kv_blocks = int(kv_bytes // (block * llama.kv_bytes()))
kv_ktokens = kv_blocks * block / 1000
seats_chat = kv_blocks // math.ceil((2_000 + 500) / block)
seats_long = kv_blocks // math.ceil((32_000 + 500) / block)
seconds_chat = 0.5 + 500 * 0.030  # assumed: first token, then 30 ms for each
# Little's law, L = lambda x W: for a card, and for a proxy's cap of 1,024 requests.
rate_chat, rate_1024 = seats_chat / seconds_chat, 1_024 / seconds_chat
assert kv_kib == 128 and 451 < kv_ktokens < 452 and seconds_chat == 15.5
assert (seats_chat, seats_long) == (179, 13)
assert 11 < rate_chat < 12 and 66 < rate_1024 < 67
print(f"{kv_blocks:,} KV blocks: {seats_chat} chats or {seats_long} long documents")

# %% name="positions"
from pathlib import Path

import yaml


def positions(served: float) -> int:
    """How many may wait if 95 % are to begin while `served` requests are answered."""
    return max(n for n in range(1_000) if n + 1.64 * math.sqrt(n) <= served)


SEQUENCES, WAIT_S, REPLICAS = 128, 2, 4  # the example of "Do this"
PER_S = int(SEQUENCES / seconds_chat)  # answered a second: Little's law again
engine_limit = SEQUENCES + positions(PER_S * WAIT_S)
pool_queue = positions(REPLICAS * PER_S * WAIT_S)
config = yaml.safe_load(Path("flow-control.yaml").read_text())
flow, (*scorers, detector) = config["flowControl"], config["plugins"]
command = f"--max-num-seqs {SEQUENCES} --max-num-queued-reqs {engine_limit}\n"
assert Path("serve.sh").read_text().endswith(command) and PER_S == 8
assert detector["parameters"]["maxConcurrency"] == SEQUENCES
assert flow["saturationDetector"]["pluginRef"] == detector["type"]
assert config["featureGates"] == ["flowControl"]
assert config["apiVersion"] == "llm-d.ai/v1alpha1"
names = {scorer["type"].removesuffix("-scorer") for scorer in scorers}
assert names == {"queue", "kv-cache-utilization", "prefix-cache"}
assert flow["maxRequests"] == str(pool_queue)
assert flow["defaultRequestTTL"] == f"{WAIT_S}s"
print(f"{engine_limit} in flight at an engine, {pool_queue} waiting for {REPLICAS}")

# %% name="quota"
import pandas as pd
from gateway import limited

TRAFFIC = [("chat", 4)] * 12 + [("batch", 20)] * 4  # tenant, max_tokens
by = {"by requests": ("requests", 6), "by tokens": ("tokens", 48)}  # unit, bucket
quota = pd.concat({name: limited(TRAFFIC, *bucket) for name, bucket in by.items()})
refused, admitted = quota["refused (429)"], quota["tokens admitted"]
batch_refused_r, chat_refused_r, batch_refused_t, chat_refused_t = refused
batch_tokens_r, chat_tokens_r, *_ = admitted
assert chat_refused_r == 6 and batch_refused_r == 0 and batch_tokens_r > chat_tokens_r
assert chat_refused_t == 0 and batch_refused_t == 2
quota

# %% name="retry-after"
from gateway import Call, Gateway, Quota, verdict

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
assert "new" not in bucket.levels  # a full server takes nothing from its quota

# %% name="curve" tags=["volatile"]
from continuous_batching import Cost
from language_model import Engine
from measure import cpu_ms

BATCHES, TOKENS, PROMPT = (1, 8), 6, 21
engine = Engine(slots=8, context=2048, cache_ram_mib=0)
cpu_ms(engine, ["warm up"], 1)
per_step = {b: cpu_ms(engine, ["Once"] * b, TOKENS) / TOKENS for b in BATCHES}
prefill = cpu_ms(engine, ["a b c d " * 5], 1) / PROMPT

sequence = (per_step[8] - per_step[1]) / 7  # a line through both
cost = Cost(max(per_step[1] - sequence, 0.1 * sequence), sequence, prefill)
step_growth = per_step[8] / per_step[1]
batch_gain = 8 / step_growth
assert batch_gain > 1.1 and step_growth > 1.5  # more in all, each stream slower
assert all(math.isclose(cost.step(b), per_step[b]) for b in BATCHES)
curve = {b: (ms, 1000 * b / ms) for b, ms in per_step.items()}
curve = pd.DataFrame(curve, index=["step [ms]", "tokens per CPU second"]).T
curve.rename_axis("sequences in the batch").round(1)

# %% name="queue" tags=["volatile"]
from continuous_batching import capacity
from fleet import overload

SEATS, LOAD = 8, 1.3  # of capacity
per_ms = capacity(cost, SEATS)


def runs(limit: float, served: float, load: float = LOAD) -> pd.DataFrame:
    """By seed; the first token's deadline is the time in which `served` are answered."""
    return overload(cost, SEATS, load, limit, served / per_ms)


def goodput(limit: float, served: float, load: float = LOAD) -> pd.Series:
    return runs(limit, served, load)["goodput"]


rows, began = {}, []
for served in (4, 8, 16):
    by_formula, naive = SEATS + positions(served), SEATS + served
    tried = {SEATS + round(served * part / 6) for part in range(8)} | {by_formula}
    means = {n: goodput(n, served).mean() for n in tried}
    began.append(runs(by_formula, served)["in time"].min())
    rows[served] = by_formula, means[by_formula], max(means.values()), means[naive]
columns = ["limit", "goodput with it", "best of all limits", "sequences + μD"]
queue = pd.DataFrame(rows, index=columns).T
CHOSEN = SEATS + positions(8)
goodput_low = goodput(CHOSEN, 8).min()
goodput_unbounded = goodput(math.inf, 8).max()
goodput_naive = queue["sequences + μD"].max()
gap = (queue["best of all limits"] - queue["goodput with it"]).max()
gap_bound, began_low = 0.03, min(began)
assert began_low >= 0.95 > runs(SEATS + 8, 8)["in time"].max() + 0.1
assert gap < gap_bound and goodput_low > 0.9 and CHOSEN == 12
assert goodput_naive < queue["goodput with it"].min() - 0.08
assert goodput_unbounded < 0.08 and LOAD == 1.3
assert (queue["sequences + μD"] <= goodput_naive).all()
assert all((runs(n, d)["in time"] >= began_low).all() for d, (n, *_) in rows.items())
queue.rename_axis("deadline [requests answered by then]").round(2)

# %% name="preemption" tags=["volatile"]
from continuous_batching import MEAN_OUTPUT, MEAN_PROMPT
from fleet import finished

KV_TOKENS = 8 * (MEAN_PROMPT + MEAN_OUTPUT)  # eight requests of mean length
by_seats = {n: finished(cost, n, KV_TOKENS) for n in (4, 6, 8, 32)}
preemption = pd.DataFrame({n: runs.mean() for n, runs in by_seats.items()}).T
(_, few), (_, half), (fit_rate, fit), (crowded_rate, crowded) = preemption.to_numpy()
lost = 1 - crowded_rate / fit_rate
answered_8, answered_32 = by_seats[8].iloc[:, 0], by_seats[32].iloc[:, 0]
assert answered_8.min() > answered_32.max() and lost > 0.03
assert few == 0 and half < 0.02 < fit and crowded > 2 * fit
assert math.isclose(answered_32.mean(), (1 - lost) * answered_8.mean())
assert answered_8.max() < 1.1  # of capacity
preemption.rename_axis("sequences at most").round(2)

# %% name="route" tags=["volatile"]
import numpy as np
import routing
from fleet import late_shares

SCRAPED, STALE = 2, 64  # the loads' age in requests: a scrape, and very old
SLOWDOWN = 3
policies = routing.round_robin, routing.least_outstanding, routing.two_choices
ages = 1, SCRAPED, STALE
(rr, *_), (lo, mid_lo, stale_lo), (two, mid_two, stale_two) = shares = [
    [late_shares(cost, SEATS, policy, refresh, SLOWDOWN) for refresh in ages]
    for policy in policies
]
means = np.mean(shares, axis=2)
(rr_late, *_), (lo_late, mid_lo_late, stale_lo_late), two_means = means
two_late, _, stale_two_late = two_means
per_s = 0.7 * (7 + 1 / SLOWDOWN) * PER_S  # were each replica that of "Do this"
stale_s = STALE / per_s
assert round(per_s) == 41 and 1.5 < stale_s < 1.6 and STALE == 64
assert round(0.050 * per_s) == SCRAPED  # llm-d reads every 50 ms
assert max(lo_late, mid_lo_late, two_late, *lo, *two, *mid_lo, *mid_two) < 0.02
assert 0.12 < min(rr) <= rr_late <= max(rr) < 0.14  # one in eight
assert stale_two_late <= max(stale_two) < 0.08 < min(stale_lo) <= stale_lo_late
index = ["round robin", "least outstanding", "two choices"]
columns = [f"late, loads {age} requests old [share]" for age in ages]
columns[0] = "late, fresh loads [share]"
pd.DataFrame(means, index, columns).round(3)

# %% name="sweep-load" tags=["volatile", "sweep"] flips="break_even"
LOADS = (0.6, 0.8, 0.9, 1.0, 1.1, LOAD)
bounded = pd.DataFrame({load: goodput(CHOSEN, 8, load) for load in LOADS})
unbounded = pd.DataFrame({load: goodput(math.inf, 8, load) for load in LOADS})
gains = (bounded - unbounded).min()  # of all seeds
break_even = min(gains[gains > 0].index, default=math.inf)
sweep = pd.DataFrame(
    {
        "limit of 12 [share of capacity]": bounded.mean(),
        "no limit [share of capacity]": unbounded.mean(),
    }
).rename_axis("offered load [share of capacity]")
assert 0.8 < break_even <= 1.1 and sweep.iloc[-1, 0] > 0.9 > 0.1 > sweep.iloc[-1, 1]
assert (gains[gains.index >= break_even] > 0).all() and abs(gains[0.6]) < 0.02
assert (bounded[LOAD].min(), unbounded[LOAD].max()) == (goodput_low, goodput_unbounded)
sweep.round(2)

# %% name="late" tags=["volatile"]
from gateway import admissions

BURST, LENGTH, DEADLINES = 10, 2, (8, 12)  # requests, tokens; tokens from now
by_deadline = [await admissions(engine, BURST, LENGTH, d) for d in DEADLINES]
late_table = sum(by_deadline)
served_late, dropped_late, bounded_late = late_table["late"]
bounded_in_time = late_table["in time"].iloc[2]
# In any order, no more than d // LENGTH can be answered by d.
assert bounded_in_time == sum(d // LENGTH for d in DEADLINES) and bounded_late == 0
for d, table in zip(DEADLINES, by_deadline):
    assert (table["late"] + table["refused (503)"] >= BURST - d // LENGTH).all()
assert served_late > dropped_late >= 2 and late_table["refused (503)"].iloc[1] > 0
late_table

# %% name="priority" tags=["volatile"]
from gateway import batch_ahead

ahead_fifo, ahead_priority = await batch_ahead(engine, 1), await batch_ahead(engine, 0)
assert ahead_fifo == 8 and ahead_priority == 0
print(f"{ahead_fifo} batch calls first by arrival, {ahead_priority} by priority")

# %% name="cancel" tags=["volatile"]
from gateway import abandoned, left_waiting

LONG = 30
tokens_stream, tokens_plain = await abandoned(engine, LONG, after=5)
tokens_queued = await left_waiting(engine, LONG)
assert tokens_stream < 20 and tokens_plain == LONG and tokens_queued == 0
print(f"tokens made: {tokens_stream} when streamed, {tokens_plain} by a plain call")

# %% name="prefix" tags=["volatile"]
from routing import cached, peak

engines = [engine, *(Engine(slots=8, context=512, cache_ram_mib=0) for _ in range(2))]
hits_lo = await cached(engines, routing.least_outstanding)
hits_affinity = await cached(engines, routing.prefix_affinity)
hot = await peak(engines, routing.prefix_affinity)
hot_bounded = await peak(engines, routing.bounded_affinity)
assert hits_affinity > hits_lo + 0.1 and (hot, hot_bounded) == (6, 3)
# Loads of 2, 1, 1 and a new one: the mean is 5/3 and the bound 2.5; of 3, 1, 1: 2 and 3.
first = routing.prefix_affinity(dict.fromkeys(range(3), 0), "hot")
kept, moved = ({i: n if i == first else 1 for i in range(3)} for n in (2, 3))
assert routing.bounded_affinity(kept, "hot") == first
assert routing.bounded_affinity(moved, "hot") != first
print(f"cached: least outstanding {hits_lo:.0%}, affinity {hits_affinity:.0%}")
print(f"at one engine at once: {hot} of 6 without a bound, {hot_bounded} with it")

# %% name="black-hole" tags=["volatile"]
from routing import Balancer, Breaker, phase

CALLS, WORKERS = 12, 4
cooldown = [0.0]  # a clock that the notebook moves: nobody waits for the cool-down
breakers = [Breaker(lambda: cooldown[0]) for _ in engines]
in_a_row = Breaker(lambda: 0.0)
for ok in (False, False, True, False):
    in_a_row.finished(ok)
assert in_a_row.ready()  # three failures, but not in a row
lo, rr = routing.least_outstanding, routing.round_robin
guarded, phases = Balancer(engines, lo, breakers), {}
engines[2].stop()
phases["round robin"] = await phase(Balancer(engines, rr), CALLS, WORKERS)
phases["least outstanding"] = await phase(Balancer(engines, lo), CALLS, WORKERS)
phases["breaker opens"] = await phase(guarded, CALLS, WORKERS)
cooldown[0] += 10
phases["probe, still dead"] = await phase(guarded, CALLS, WORKERS)
engines[2] = Engine(slots=8, context=512, cache_ram_mib=0)
cooldown[0] += 10
phases["probe, restarted"] = await phase(guarded, CALLS, WORKERS)
breakers[2].opened_s = 0.0  # half-open once more, and all callers prefer replica 2
eager = Balancer(engines, lambda load, **_: max(load), breakers)
one_probe = await phase(eager, WORKERS, WORKERS)

faults = pd.DataFrame(phases).T
errors_rr, errors_lo, errors_cb, errors_probe, errors_after = faults.errors.tolist()
share_after = phases["probe, restarted"]["to replica 2"] / CALLS
assert errors_rr == CALLS / 3 and errors_lo > 1.5 * errors_rr
assert 3 <= errors_cb < 3 + WORKERS and errors_probe == 1
assert errors_after == 0 and share_after > 0.1
assert one_probe == {"errors": 0, "to replica 2": 1}  # others wait for its success
assert breakers[2].opened_s is None  # which brings the replica back
faults
