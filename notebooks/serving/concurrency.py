# ---
# jupyter:
#   qa:
#     seconds: 25
# ---

# %% [markdown]
# # 如何处理并发请求与负载均衡？ · How do you handle concurrent requests and balance load?
#
# 四个真实的 uvicorn 副本，其中一个慢六倍：比较三种路由的尾延迟，再看熔断、按词元限流、前缀亲和、优先级队列和取消。
#
# Four real uvicorn replicas, one of them six times slower: the tail under three routing policies, then circuit breaking, quotas by tokens, prefix affinity, priority queues and cancellation.

# %% name="little"
import math

KV_BYTES = 2 * 32 * 8 * 128 * 2  # K and V x layers x KV heads x head size x bf16
BLOCK_TOKENS = 16
WORKSPACE = 3e9  # bytes, assumed
kv_bytes = 0.90 * 80e9 - 2 * 8.03e9 - WORKSPACE  # 90% of the card, less the weights
kv_blocks = int(kv_bytes // (KV_BYTES * BLOCK_TOKENS))
kv_kib, kv_ktokens = KV_BYTES // 1024, kv_blocks * BLOCK_TOKENS / 1000

seats_chat = kv_blocks // math.ceil((2_000 + 500) / BLOCK_TOKENS)
seats_long = kv_blocks // math.ceil((32_000 + 500) / BLOCK_TOKENS)
seconds_chat = 0.5 + 500 * 0.030  # assumed: first token, then 30 ms for each
# Little's law, L = lambda x W, solved for lambda.
rate_chat = seats_chat / seconds_chat
rate_1024 = 1_024 / seconds_chat  # what a proxy's cap of 1,024 requests lets through
assert seats_chat > 10 * seats_long
print(f"{kv_blocks:,} KV blocks: {seats_chat} chats or {seats_long} long documents")

# %% name="admission"
import numpy as np

rng, shape = np.random.default_rng(0), (4_000, 400)  # batches x requests that queue
chat = rng.lognormal(np.log(1_500), 0.6, shape)  # tokens, prompt and output
document = rng.uniform(8_000, 32_000, shape)
tokens = np.where(rng.random(shape) < 0.9, chat, document)
needed = np.ceil(tokens / BLOCK_TOKENS).cumsum(axis=1)

fits = (needed <= kv_blocks).sum(axis=1)  # admitted to each batch, by blocks
seats_by_blocks = fits.mean()
# A fixed count that overflows in 1 batch of 1,000, and one tuned to the average.
seats_by_count = int(np.quantile(fits, 0.001))
overflow_at_mean = (fits < round(seats_by_blocks)).mean()
assert seats_by_blocks > 1.3 * seats_by_count and overflow_at_mean > 0.25
print(f"by blocks: {seats_by_blocks:.0f} on average; by count: {seats_by_count}")
print(f"{seats_by_blocks:.0f} by count: {overflow_at_mean:.0%} of batches overflow")

# %% name="start"
import asyncio
import time

import httpx
import pandas as pd
import routing
from fleet import closed_loop, open_loop, start, url
from routing import Balancer, Breaker

servers = [start(step_s) for step_s in (0.12, 0.02, 0.02, 0.02)]  # number 0 is slow
urls = [url(server) for server in servers]
unlimited = httpx.Limits(max_connections=None)
client = httpx.AsyncClient(timeout=60, trust_env=False, limits=unlimited)


async def control(*replicas: int, **settings) -> None:
    for i in replicas:
        await client.post(f"{urls[i]}/control", params=settings)


async def stats(i: int) -> dict[str, int]:
    return (await client.get(f"{urls[i]}/stats")).json()


assert [(await stats(i))["busy"] for i in range(4)] == [0] * 4

# %% name="race" tags=["volatile"]
RATE, N, TOKENS = 27, 120, 3  # requests/s, requests, tokens each
SLOW_S, FAST_S = 0.36, 0.06  # a step; long enough that a busy machine adds little
await control(0, step_s=SLOW_S)
await control(1, 2, 3, step_s=FAST_S)
# Each replica decodes four sequences at once.
slow_capacity, fast_capacity = 4 / (TOKENS * SLOW_S), 4 / (TOKENS * FAST_S)
utilisation = RATE / (slow_capacity + 3 * fast_capacity)
slow_arrivals = RATE / 4  # requests/s that round robin sends to the slow one
due_s = np.random.default_rng(1).exponential(1 / RATE, N).cumsum()

POLICIES = {
    "round robin": routing.round_robin,
    "least outstanding": routing.least_outstanding,
    "two choices": routing.two_choices,
}
runs = {
    name: await open_loop(Balancer(client, urls, pick), due_s, TOKENS)
    for name, pick in POLICIES.items()
}
race = pd.DataFrame(
    {
        "to the slow replica": {n: (r.replica == 0).mean() for n, r in runs.items()},
        "p50 (s)": {n: r.seconds.median() for n, r in runs.items()},
        "p95 (s)": {n: r.seconds.quantile(0.95) for n, r in runs.items()},
    }
)
rr_share, lo_share, p2c_share = race["to the slow replica"]
rr_p95, lo_p95, p2c_p95 = race["p95 (s)"]
assert rr_share == 0.25 and max(lo_share, p2c_share) < rr_share
assert rr_p95 > 1.3 * max(lo_p95, p2c_p95)
await control(0, step_s=0.12)
await control(1, 2, 3, step_s=0.02)
race.round(2)

# %% name="tail" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (label, run), style in zip(runs.items(), ("-", "--", ":")):
    at_least = 1 - np.arange(N) / N
    ax.step(np.sort(run.seconds), at_least, style, where="post", lw=2, label=label)
ax.set(xscale="log", yscale="log", xlabel="response time (s)")
ax.set_ylabel("share of requests at least this slow")
ax.legend()
plt.show()


# %% name="stale"
def longest_backlog(choices: int, period: int) -> float:
    """Mean of the longest of 16 backlogs; loads are published every `period` requests."""
    rng, backlog, longest = np.random.default_rng(0), np.zeros(16), []
    for _ in range(16_000 // period):
        seen = backlog.copy()
        for _ in range(period):
            candidates = rng.permutation(16)[:choices]
            backlog[candidates[seen[candidates].argmin()]] += 1
        longest.append(backlog.max())
        served = rng.poisson(period / 16 / 0.8, 16)  # utilisation 0.8
        backlog = np.maximum(0, backlog - served)
    return float(np.mean(longest))


CHOICES = {"random": 1, "two choices": 2, "least of all": 16}
stale = pd.DataFrame(
    {
        label: {period: longest_backlog(choices, period) for period in (1, 32, 128)}
        for label, choices in CHOICES.items()
    }
)
fresh_random, fresh_two, fresh_all = stale.loc[1]
stale_random, stale_two, stale_all = stale.loc[128]
assert fresh_all < fresh_two < fresh_random and stale_two < stale_random < stale_all
stale.round(1).rename_axis("requests between load reports")

# %% name="fault" tags=["volatile"]
CALLS = 80
await control(0, 1, 2, 3, step_s=0.01)  # from here on all four are alike
now = [0.0]  # a clock that the notebook moves: nobody waits for the cool-down
breakers = [Breaker(clock=lambda: now[0]) for _ in urls]
guarded = Balancer(client, urls, routing.least_outstanding, breakers)


async def phase(balancer: Balancer, calls: int = CALLS) -> dict[str, int]:
    log = await closed_loop(balancer, [{"tokens": 4}] * calls, workers=8)
    errors, to_3 = (log.status >= 500).sum(), (log.replica == 3).sum()
    return {"requests": calls, "errors": errors, "sent to replica 3": to_3}


await control(3, broken=True)  # it now fails, and fails at once
phases = {
    "round robin": await phase(Balancer(client, urls, routing.round_robin)),
    "least outstanding": await phase(Balancer(client, urls, routing.least_outstanding)),
    "breaker opens": await phase(guarded),
}
now[0] += 10
phases["half-open, still broken"] = await phase(guarded, calls=30)
await control(3, broken=False)
now[0] += 10
phases["half-open, repaired"] = await phase(guarded)

faults = pd.DataFrame(phases).T
errors_rr, errors_lo, errors_cb, errors_probe, errors_after = faults.errors.tolist()
saved = errors_lo - errors_cb
share_after = phases["half-open, repaired"]["sent to replica 3"] / CALLS
# Failing fast, it always looks idle, and draws the traffic.
assert errors_rr == CALLS / 4 and errors_lo > CALLS / 3
assert 5 <= errors_cb <= 5 + 7 and errors_probe == 1  # 7: already under way
assert errors_after == 0 and share_after > 0.05
faults

# %% name="quota"
FIELDS = ["tenant", "prompt_tokens", "max_tokens"]
TRAFFIC = [("chat", 40, 24)] * 40 + [("batch", 1_000, 500)] * 10


async def offer(unit: str) -> pd.DataFrame:
    calls = [dict(zip(FIELDS, call), unit=unit) for call in TRAFFIC]
    sent = [client.post(f"{urls[1]}/limited", params=call) for call in calls]
    answers = await asyncio.gather(*sent)
    log = pd.DataFrame(TRAFFIC, columns=FIELDS)
    log["refused"] = [answer.status_code == 429 for answer in answers]
    assert log.refused.tolist() == ["retry-after" in a.headers for a in answers]
    log["admitted"] = (log.prompt_tokens + log.max_tokens).where(~log.refused, 0)
    return log.groupby("tenant")[["refused", "admitted"]].sum()


quota = pd.concat({f"by {unit}": await offer(unit) for unit in ("requests", "tokens")})
batch_refused_r, chat_refused_r, batch_refused_t, chat_refused_t = quota.refused
batch_tokens_r, chat_tokens_r, batch_tokens_t, chat_tokens_t = quota.admitted
# By requests the light tenant is held back, by tokens the heavy one is.
assert chat_refused_r >= 28 and batch_refused_r == 0
assert chat_refused_t == 0 and batch_refused_t >= 7
quota.rename(columns={"refused": "refused (429)", "admitted": "tokens admitted"})

# %% name="prefix" tags=["volatile"]
conversations = np.random.default_rng(0).integers(24, size=120)
turns = [{"tokens": 2, "prefix": f"conversation {i}"} for i in conversations]


async def prefix_hits(pick) -> int:
    await control(0, 1, 2, 3, step_s=0.005)  # also empties the caches
    await closed_loop(Balancer(client, urls, pick), turns, workers=8)
    return sum([(await stats(i)).get("prefix_hits", 0) for i in range(4)])


count_lo = await prefix_hits(routing.least_outstanding)
count_affinity = await prefix_hits(routing.prefix_affinity)
hits_lo, hits_affinity = count_lo / 120, count_affinity / 120
# A hit takes 1 prefill step, a miss takes 8.
prefill_lo, prefill_affinity = (8 * 120 - 7 * n for n in (count_lo, count_affinity))
prefill_saved = 1 - prefill_affinity / prefill_lo
assert hits_affinity > hits_lo + 0.15
print(f"least outstanding: {hits_lo:.0%} hits, {prefill_lo} prefill steps")
print(f"prefix affinity:   {hits_affinity:.0%} hits, {prefill_affinity} prefill steps")


# %% name="priority" tags=["volatile"]
async def batch_ahead(i: int, interactive: int) -> int:
    """How many of 20 waiting batch requests go before 4 interactive ones?"""
    await control(i, step_s=0.01)
    finished, tasks = [], []

    async def one(kind: str, tokens: int, priority: int) -> None:
        params = {"tokens": tokens, "priority": priority}
        await client.post(f"{urls[i]}/generate", params=params)
        finished.append(kind)

    async def send(count: int, *call) -> None:
        tasks.extend(asyncio.create_task(one(*call)) for _ in range(count))
        while (await stats(i)).get("requests", 0) < len(tasks):
            await asyncio.sleep(0.005)

    await send(4, "running", 60, 0)  # takes all four slots
    await send(20, "batch", 2, 1)
    await send(4, "interactive", 2, interactive)
    await asyncio.gather(*tasks[-4:])
    ahead = finished.count("batch")
    await asyncio.gather(*tasks)
    return ahead


both = batch_ahead(1, interactive=1), batch_ahead(2, interactive=0)
ahead_fifo, ahead_priority = await asyncio.gather(*both)
assert ahead_fifo >= 16 and ahead_priority <= 8
print(f"{ahead_fifo} go first in order of arrival, {ahead_priority} by priority")


# %% name="cancel" tags=["volatile"]
async def tokens_when_idle(i: int) -> int:
    while (seen := await stats(i))["busy"]:
        await asyncio.sleep(0.05)
    return seen["tokens"]


LONG = {"tokens": 80}
await control(2, 3, step_s=0.01)  # and the counters to zero
try:
    await client.post(f"{urls[3]}/generate", params=LONG, timeout=0.2)
except httpx.ReadTimeout:
    pass  # the caller has given up; has the server?
async with client.stream("POST", f"{urls[2]}/stream", params=LONG) as response:
    async for line in response.aiter_lines():
        if line == "data: 9":
            break  # the user leaves after ten tokens; leaving the block disconnects
tokens_stream, tokens_plain = await tokens_when_idle(2), await tokens_when_idle(3)
assert tokens_stream < 60 and tokens_plain == LONG["tokens"]
print(
    f"tokens generated: {tokens_stream} when streamed, {tokens_plain} by a plain call"
)


# %% name="blocking" tags=["volatile"]
async def ten_calls(handler: str) -> float:
    began = time.monotonic()
    calls = [client.post(f"{urls[1]}/{handler}?seconds=0.1") for _ in range(10)]
    await asyncio.gather(*calls)
    return time.monotonic() - began


# The best of three: a busy neighbour only ever adds.
blocking_s = min([await ten_calls("blocking") for _ in range(3)])
threaded_s = min([await ten_calls("threaded") for _ in range(3)])
assert blocking_s >= 10 * 0.1 and blocking_s > 1.6 * threaded_s
print(f"blocking handler {blocking_s:.2f} s, thread pool {threaded_s:.2f} s")

# %% name="stop"
await client.aclose()
for server in servers:
    server.terminate()
assert all(server.wait(timeout=10) is not None for server in servers)
