# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何处理并发请求与负载均衡？ · How do you handle concurrent requests and balance load?
#
# 真实的引擎（llama.cpp，SmolLM2-135M）：批的大小与速度，网关的有界队列、期限、优先级与配额，前缀亲和、熔断和取消；路由、队长与抢占按测得的步时仿真。
#
# A real engine (llama.cpp, SmolLM2-135M): batch size and speed, a gateway's bounded queue, deadlines, priorities and quotas, prefix affinity, breakers, cancelling; routing, queue length and preemption simulated with the measured step.

# %% name="little"
import math

KV_BYTES = 2 * 32 * 8 * 128 * 2  # K and V x layers x KV heads x head size x bf16
BLOCK_TOKENS, WORKSPACE = 16, 3e9  # bytes of workspace: assumed
kv_bytes = 0.92 * 80e9 - 2 * 8.03e9 - WORKSPACE  # vLLM's share, less the weights
kv_blocks = int(kv_bytes // (KV_BYTES * BLOCK_TOKENS))
kv_kib, kv_ktokens = KV_BYTES // 1024, kv_blocks * BLOCK_TOKENS / 1000
seats_chat = kv_blocks // math.ceil((2_000 + 500) / BLOCK_TOKENS)
seats_long = kv_blocks // math.ceil((32_000 + 500) / BLOCK_TOKENS)
seconds_chat = 0.5 + 500 * 0.030  # assumed: first token, then 30 ms for each
rate_chat = seats_chat / seconds_chat  # Little's law, L = lambda x W
rate_1024 = 1_024 / seconds_chat  # what a proxy's cap of 1,024 requests lets through
assert kv_kib == 128 and 416 < kv_ktokens < 417
assert seats_chat == 165 and seats_long == 12 and 65 < rate_1024 < 67
assert 10 < rate_chat < 12 and seconds_chat == 15.5
print(f"{kv_blocks:,} KV blocks: {seats_chat} chats or {seats_long} long documents")

# %% name="curve" tags=["volatile"]
import asyncio
import time

import httpx
import numpy as np
import pandas as pd
from language_model import Engine

BATCHES, TOKENS = (1, 4, 8), 16


async def cpu_ms(engine: Engine, prompts: list[str], tokens: int) -> float:
    """Processor time, not the clock: a busy neighbour adds little to it."""
    async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
        began = time.process_time()
        body = {"n_predict": tokens, "ignore_eos": True, "cache_prompt": False}
        url = f"{engine.address}/completion"
        calls = [client.post(url, json=body | {"prompt": p}) for p in prompts]
        answers = [answer.json() for answer in await asyncio.gather(*calls)]
        spent = time.process_time() - began
    assert sum(a["tokens_predicted"] for a in answers) == tokens * len(prompts)
    return 1000 * spent


with Engine(slots=max(BATCHES)) as engine:
    await cpu_ms(engine, ["warm up"], 4)
    decode = {
        b: min([await cpu_ms(engine, ["Once"] * b, TOKENS) for _ in range(2)])
        for b in BATCHES
    }
    prefill = await cpu_ms(engine, ["a b c d " * 40], 1)

from fleet import Cost

per_step = {b: ms / TOKENS for b, ms in decode.items()}
slope, intercept = np.polyfit(list(per_step), list(per_step.values()), 1)
cost = Cost(base=max(intercept, 0.1 * slope), sequence=slope, prompt=prefill / 161)
curve = pd.DataFrame(
    {
        "step [ms]": per_step,
        "tokens per CPU second": {b: 1000 * b / ms for b, ms in per_step.items()},
    }
).rename_axis("sequences in the batch")
step_growth = per_step[8] / per_step[1]
batch_gain = 8 / step_growth
assert 1.15 < batch_gain < 8 and step_growth > 2  # more in all, each stream slower
curve.round(1)

# %% name="queue" tags=["volatile"]
from fleet import MEAN_OUTPUT, Replica, capacity, poisson, simulate

SEATS, SEEDS = 8, range(5)
per_ms = capacity(cost, SEATS)
deadline_ms = MEAN_OUTPUT * cost.step(SEATS)  # first token: as long as an answer takes


def overload(load: float, limit: float) -> pd.DataFrame:
    """Of one replica, by seed: goodput, share refused, p95 to the first token."""
    rows = []
    for seed in SEEDS:
        replica = Replica(cost, SEATS)
        log = simulate(poisson(load * per_ms, seed), [replica], min, limit)
        in_time = (log["first"] <= deadline_ms).sum()
        p95 = log["first"][~log.refused].quantile(0.95) / deadline_ms
        offered = (log["at"].max() - log["at"].min()) * per_ms
        rows.append((in_time / offered, log.refused.mean(), p95))
    return pd.DataFrame(rows, columns=["goodput", "refused", "p95"])


CHOSEN, LIMITS = 10, (4, 8, 10, 12, 16, 24, math.inf)  # running and waiting
by_limit = {limit: overload(1.3, limit) for limit in LIMITS}
queue = pd.DataFrame({n: runs.mean() for n, runs in by_limit.items()}).T
queue = queue.rename_axis("limit (running and waiting)")
by_hand = SEATS + deadline_ms * per_ms  # seats, and what is served within the deadline
bounded, unbounded = by_limit[CHOSEN], by_limit[math.inf]
goodput_low, goodput_high = bounded.goodput.min(), bounded.goodput.max()
goodput_unbounded, goodput_16 = unbounded.goodput.max(), queue.goodput[16]
refused_bounded, p95_unbounded = bounded.refused.mean(), unbounded.p95.mean()
assert goodput_low > 0.75 and goodput_unbounded < 0.05 < refused_bounded
assert unbounded.refused.max() == 0 and unbounded.p95.min() > 10
assert CHOSEN < by_hand < 14 and goodput_16 < goodput_low / 2
assert queue.goodput[4] < queue.goodput[8] - 0.03 and bounded.p95.max() < 1.1
queue.rename(
    columns={
        "goodput": "goodput [share of capacity]",
        "refused": "refused [share]",
        "p95": "p95 of first token [deadlines]",
    }
).round(2)

# %% name="preemption" tags=["volatile"]
from fleet import MEAN_PROMPT

KV_TOKENS = 8 * (MEAN_PROMPT + MEAN_OUTPUT)  # eight finished requests of mean length


def finished(seats: int, seed: int) -> tuple[float, float]:
    """Requests per ms over the saturated capacity, and tokens recomputed per request token."""
    requests = poisson(1.2 * per_ms, seed)
    replica = Replica(cost, seats, KV_TOKENS)
    log = simulate(requests, [replica], min, limit=40)
    tokens = sum(r.prompt + r.made for r in requests)
    answered = (log.done < math.inf).sum() / (replica.now - log["at"].min())
    return answered / per_ms, replica.recomputed / tokens


by_seats = {n: np.array([finished(n, seed) for seed in SEEDS]) for n in (2, 4, 8, 32)}
preemption = pd.DataFrame(
    {n: np.append(runs.mean(axis=0), runs[:, 0].min()) for n, runs in by_seats.items()},
    index=["answered", "recomputed", "worst"],
).T.rename_axis("sequences at most")
fit_rate, crowded_rate = preemption.answered[8], preemption.answered[32]
recomputed_fit, recomputed_crowded = preemption.recomputed[8], preemption.recomputed[32]
lost = 1 - crowded_rate / fit_rate
assert by_seats[8][:, 0].min() > by_seats[32][:, 0].max()
assert recomputed_crowded > 2 * recomputed_fit and preemption.recomputed[2] == 0
assert lost > 0.05
preemption[["answered", "recomputed"]].rename(
    columns={
        "answered": "answered [share of capacity]",
        "recomputed": "recomputed [per request token]",
    }
).round(2)

# %% name="route" tags=["volatile"]
import routing

FLEET, SLOWDOWN, STALE = 8, 3, 64
sustained = (FLEET - 1 + 1 / SLOWDOWN) * per_ms


def p95(policy, refresh: int, seed: int) -> float:
    """To the first token, in deadlines; replica 0 is three times slower."""
    routing.dice.seed(seed)
    slowdowns = [SLOWDOWN] + [1] * (FLEET - 1)
    replicas = [Replica(cost, SEATS, slowdown=s) for s in slowdowns]
    requests = poisson(0.7 * sustained, seed, count=1_200)
    log = simulate(requests, replicas, policy, refresh=refresh)
    return log["first"].quantile(0.95) / deadline_ms


POLICIES = {
    "round robin": routing.round_robin,
    "least outstanding": routing.least_outstanding,
    "two choices": routing.two_choices,
}
tails = {
    name: [[p95(policy, refresh, seed) for seed in SEEDS] for refresh in (1, STALE)]
    for name, policy in POLICIES.items()
}
(rr, _), (lo, stale_lo), (two, stale_two) = tails.values()
assert max(lo + two) < 1 < min(rr) / 3 and np.mean(lo) < np.mean(two)
assert max(stale_two) < min(stale_lo) and max(lo) < min(stale_lo)
rr_p95, lo_p95, two_p95 = (float(np.mean(runs)) for runs in (rr, lo, two))
stale_lo_p95, stale_two_p95 = float(np.mean(stale_lo)), float(np.mean(stale_two))
route = {name: [np.mean(fresh), np.mean(old)] for name, (fresh, old) in tails.items()}
pd.DataFrame(route, index=[1, STALE]).T.round(2).rename(
    columns={1: "fresh [deadlines]", STALE: "64 requests old [deadlines]"}
)

# %% name="sweep-load" tags=["volatile", "sweep"] flips="break_even"
LOADS = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.4)
with_limit = {load: overload(load, CHOSEN).goodput for load in LOADS}
without = {load: overload(load, math.inf).goodput for load in LOADS}
sweep = pd.DataFrame(
    {
        "limit of 10 [share of capacity]": {n: g.mean() for n, g in with_limit.items()},
        "no limit [share of capacity]": {n: g.mean() for n, g in without.items()},
    }
).rename_axis("offered load [share of capacity]")
# Where every seed gains at least a twentieth of the capacity.
break_even = min(n for n in LOADS if (with_limit[n] - without[n]).min() > 0)
assert 0.7 < break_even <= 1.0 and sweep.iloc[-1, 0] > 0.7 > 0.1 > sweep.iloc[-1, 1]
assert abs(with_limit[0.6].mean() - without[0.6].mean()) < 0.02
sweep.round(2)

# %% name="late" tags=["volatile"]
from gateway import Gateway, Quota, serve

engine = Engine(slots=4, cache_ram_mib=0)
BURST, LENGTH, DEADLINE = 24, 8, 60  # requests, tokens each, tokens from now


async def burst(deadline: int | None, **settings) -> dict:
    gateway = Gateway(engine.address, seats=4, **settings)
    call = {"tokens": LENGTH} | ({"deadline": deadline} if deadline else {})
    in_time = late = 0
    async with serve(gateway) as client:

        async def one() -> int:
            nonlocal in_time, late
            answer = await client.post("/generate", json=call)
            assert ("retry-after" in answer.headers) == (answer.status_code == 503)
            in_time += answer.status_code == 200 and gateway.made <= DEADLINE
            late += answer.status_code == 200 and gateway.made > DEADLINE
            return answer.status_code

        statuses = await asyncio.gather(*(one() for _ in range(BURST)))
    assert set(statuses) <= {200, 503} and gateway.made == LENGTH * (in_time + late)
    return {"in time": in_time, "late": late, "refused (503)": statuses.count(503)}


late_table = pd.DataFrame(
    {
        "no limit": await burst(None),
        "expired are dropped": await burst(DEADLINE),
        "refused on arrival": await burst(None, max_backlog=DEADLINE),
    }
).T
served_late, dropped_late, bounded_late = late_table["late"]
bounded_in_time = int(late_table["in time"].iloc[2])
# In any order, no more than DEADLINE // LENGTH can be answered in time.
assert bounded_in_time == DEADLINE // LENGTH and bounded_late == 0
assert served_late >= BURST - DEADLINE // LENGTH and dropped_late >= 2
assert late_table["refused (503)"].tolist()[::2] == [0, BURST - bounded_in_time]
assert served_late > dropped_late > bounded_late
late_table


# %% name="priority" tags=["volatile"]
async def batch_ahead(interactive: int) -> int:
    """Of 16 batch calls that wait, how many begin before 4 interactive ones?"""
    gateway = Gateway(engine.address, seats=0)  # held until all of them wait
    calls = [{"tenant": "batch", "priority": 1, "tokens": 2}] * 16
    calls += [{"tenant": "interactive", "priority": interactive, "tokens": 2}] * 4
    async with serve(gateway) as client:
        tasks = []
        for number, call in enumerate(calls, 1):
            tasks.append(asyncio.create_task(client.post("/generate", json=call)))
            while len(gateway.waiting) < number:
                await asyncio.sleep(0.001)
        for _ in range(4):
            gateway.release()
        answers = await asyncio.gather(*tasks)
    assert {answer.status_code for answer in answers} == {200}
    last = max(i for i, tenant in enumerate(gateway.order) if tenant == "interactive")
    return gateway.order[:last].count("batch")


ahead_fifo, ahead_priority = await batch_ahead(1), await batch_ahead(0)
assert ahead_fifo == 16 and ahead_priority == 0
print(
    f"{ahead_fifo} batch calls first in order of arrival, {ahead_priority} by priority"
)

# %% name="quota"
TRAFFIC = [("chat", 4)] * 12 + [("batch", 20)] * 4  # tenant, max_tokens


async def limited(unit: str, burst: int) -> pd.DataFrame:
    quota = Quota(unit, burst, per_s=1, clock=lambda: 0)
    gateway = Gateway(engine.address, seats=4, max_backlog=120, quota=quota)
    async with serve(gateway) as client:
        log = []
        for tenant, tokens in TRAFFIC:
            call = {"tenant": tenant, "tokens": tokens}
            answer = await client.post("/generate", json=call)
            assert ("retry-after" in answer.headers) == (answer.status_code == 429)
            admitted = tokens * (answer.status_code == 200)
            log.append((tenant, answer.status_code == 429, admitted))
        full = await client.post("/generate", json={"tenant": "new", "tokens": 200})
    log = pd.DataFrame(log, columns=["tenant", "refused (429)", "tokens admitted"])
    # The caller's own limit answers first; a full server is another matter.
    assert full.status_code == (429 if unit == "tokens" else 503)
    return log.groupby("tenant").sum()


quota = pd.concat(
    {
        "by requests": await limited("requests", 6),
        "by tokens": await limited("tokens", 48),
    }
)
batch_refused_r, chat_refused_r, batch_refused_t, chat_refused_t = quota[
    "refused (429)"
]
batch_tokens_r, chat_tokens_r, batch_tokens_t, chat_tokens_t = quota["tokens admitted"]
assert chat_refused_r == 6 and batch_refused_r == 0 and batch_tokens_r > chat_tokens_r
assert chat_refused_t == 0 and batch_refused_t == 2
quota

# %% name="cancel" tags=["volatile"]
LONG = {"tokens": 120}
gateway = Gateway(engine.address, seats=4)
async with serve(gateway) as client:
    async with client.stream("POST", "/generate", json=LONG) as answer:
        async for _ in answer.aiter_lines():
            if gateway.made >= 5:
                break  # the user leaves; leaving the block disconnects
    while gateway.free < 4:
        await asyncio.sleep(0.01)
    tokens_stream = gateway.made
    try:
        await client.post("/plain", json=LONG, timeout=0.2)
    except httpx.ReadTimeout:
        pass  # the caller has given up; has the gateway?
    while gateway.free < 4:
        await asyncio.sleep(0.01)
    tokens_plain = gateway.made - tokens_stream
assert tokens_stream < 60 and tokens_plain == LONG["tokens"]
print(f"tokens made: {tokens_stream} when streamed, {tokens_plain} by a plain call")

# %% name="prefix" tags=["volatile"]
from routing import Balancer, Breaker

engines = [engine, *(Engine(slots=4, cache_ram_mib=0) for _ in range(2))]
TALKS, TURNS = 6, 3
history = {i: f"word{i} " * 20 for i in range(TALKS)}


async def cached(policy) -> tuple[int, int]:
    """Prompt tokens that the engines took from their caches, and all of them."""
    routing.dice.seed(0)
    balancer = Balancer(engines, policy)
    hits = total = 0
    for turn in range(TURNS):
        for half in (range(3), range(3, 6)):  # three callers at once
            prompts = [
                f"Talk {i} {policy.__name__} {history[i]}" + "go on " * turn
                for i in half
            ]
            for _, answer in await balancer.closed_loop(prompts, 2, workers=3):
                hits += answer["timings"]["cache_n"]
                total += answer["timings"]["cache_n"] + answer["timings"]["prompt_n"]
    return hits, total


(hits, total), (hits_hash, total_hash) = [
    await cached(policy)
    for policy in (routing.least_outstanding, routing.prefix_affinity)
]
hits_lo, hits_affinity = hits / total, hits_hash / total_hash
prefill_saved = 1 - (1 - hits_affinity) / (1 - hits_lo)
assert hits_affinity > hits_lo + 0.1
print(f"least outstanding: {hits_lo:.0%} of prompt tokens cached")
print(f"prefix affinity:   {hits_affinity:.0%}")

# %% name="black-hole" tags=["volatile"]
CALLS, WORKERS = 30, 4
now = [0.0]  # a clock that the notebook moves: nobody waits for the cool-down
guarded = Balancer(
    engines, routing.least_outstanding, [Breaker(lambda: now[0]) for _ in engines]
)


async def phase(balancer: Balancer, calls: int = CALLS) -> dict[str, int]:
    log = await balancer.closed_loop(["Once"] * calls, 2, WORKERS)
    errors = sum(answer is None for _, answer in log)
    return {
        "calls": calls,
        "errors": errors,
        "to replica 2": sum(i == 2 for i, _ in log),
    }


engines[2].stop()
phases = {
    "round robin": await phase(Balancer(engines, routing.round_robin)),
    "least outstanding": await phase(Balancer(engines, routing.least_outstanding)),
    "breaker opens": await phase(guarded),
}
now[0] += 10
phases["probe, still dead"] = await phase(guarded)
engines[2] = guarded.engines[2] = Engine(slots=4, cache_ram_mib=0)
now[0] += 10
phases["probe, restarted"] = await phase(guarded)

faults = pd.DataFrame(phases).T
errors_rr, errors_lo, errors_cb, errors_probe, errors_after = faults.errors.tolist()
share_after = phases["probe, restarted"]["to replica 2"] / CALLS
assert errors_rr == CALLS / 3 and errors_lo > 1.5 * errors_rr
assert 3 <= errors_cb < 3 + WORKERS and errors_probe == 1
assert errors_after == 0 and share_after > 0.1
for each in engines:
    each.stop()
faults
