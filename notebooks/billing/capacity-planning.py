# %% [markdown]
# # 大模型消耗的硬件如何估算与控制？ · How do you estimate and contain the hardware a large model needs?
# 训练与推理的容量计算器，与公开数据核对；排队公式与模拟；配额与告警。
# A calculator for training and serving held to published data; queueing by formula and simulation; quotas and alerts.

# %% name="training-hours"
import pandas as pd
from published import TRAINING
from transformer_costs import Transformer, accelerator, transformer

H100, LLAMA_3_1_70B = accelerator("h100_sxm"), transformer("llama_3_1_70b")
LLAMA_3_1_8B = transformer("llama_3_1_8b")
STEADY = 0.41  # MFU in the Llama 3 paper: 16,384 GPUs, sequences of 8,192 tokens
rows = {}
for name, (parameters, tokens, published) in TRAINING.items():
    flops = 6 * parameters * tokens
    at_peak = flops / (H100.bf16_flops * 3600) / 1e6  # million GPU hours
    planned = at_peak / STEADY
    rows[name] = [flops, planned, published, published / planned, at_peak / published]
columns = ["6ND", "planned [M h]", "published [M h]", "overrun", "end-to-end MFU"]
training = pd.DataFrame(rows, index=columns).T
over_8b, over_70b, over_405b, over_v3 = training["overrun"]
mfu_8b, mfu_70b, mfu_405b, mfu_v3 = training["end-to-end MFU"]
of_fp8_peak = mfu_v3 / 2  # V3 was trained in FP8, at twice the peak
flops_405b = training.loc["Llama 3.1 405B", "6ND"]
assert abs(flops_405b / 3.8e25 - 1) < 0.01  # the paper's own figure
assert 1 < over_v3 < 1.25 and 1 < over_405b < 1.25 and over_70b > 1.4 and over_8b > 2.5
training.style.format("{:.2f}").format("{:.2e}", subset="6ND")

# %% name="training-memory"
import torch
from memory import Layer, activation_bytes, state_bytes

sequence, batch, width, heads = 128, 2, 256, 4
layer = Layer(width, heads)
optimizer = torch.optim.AdamW(layer.parameters())
layer(torch.randn(batch, sequence, width)).sum().backward()
optimizer.step()
state = state_bytes(layer, optimizer)
state_each = sum(state.values()) / sum(p.numel() for p in layer.parameters())
assert state_each == 16

x = torch.randn(batch, sequence, width, dtype=torch.bfloat16)
kept = activation_bytes(layer.bfloat16(), x)
formula = sequence * batch * width * (34 + 5 * heads * sequence / width)
statistics = 2 * 2 * 2 * sequence * batch  # two norms, two numbers, 2 bytes a token
assert kept == formula + statistics
print(f"{state}: {state_each:.0f} bytes a parameter")
print(f"kept for backward {kept:,} bytes, sbh(34 + 5as/h) = {formula:,.0f}")

# %% name="devices"
import math

from training import Run, exact_over_6nd

run = Run(LLAMA_3_1_70B, tokens=1e12, days=30, sequence=8_192)
bytes_a_parameter = {"ZeRO-1": (4, 12), "ZeRO-2": (2, 14), "ZeRO-3": (0, 16)}
fit = {stage: run.to_fit(H100, *split) for stage, split in bytes_a_parameter.items()}
floor, by_deadline = fit["ZeRO-3"], run.in_time(H100.bf16_flops, mfu_70b)
optimistic = run.in_time(H100.bf16_flops, STEADY)
from_sheet = run.in_time(2 * H100.bf16_flops, STEADY)  # the mistake: sparse FLOPS
short, long = (exact_over_6nd(LLAMA_3_1_8B, tokens) for tokens in (8_192, 131_072))
assert fit["ZeRO-1"] == fit["ZeRO-2"] == math.inf and by_deadline > 10 * floor
assert by_deadline > 3 * from_sheet and abs(short - 1) < 0.1 and long > 2.5
print(f"to fit: {fit}; in 30 days: {by_deadline}")
print(f"planned with 41% MFU {optimistic}, with sparse FLOPS too {from_sheet}")
print(f"8B, operations over 6ND: {short:.2f} at 8,192 tokens, {long:.2f} at 131,072")

# %% name="failures"
import numpy as np
from goodput import goodput, simulate, young_interval

DEVICE_HOURS = 54 * 24 * 16_384 / 419  # between failures: 419 unexpected in 54 days
SAVE, RESTART = 20 / 60, 6  # minutes that training stands still: assumed
rng, rows = np.random.default_rng(0), {}
for devices in (1_024, 16_384, 100_000):
    between = DEVICE_HOURS / devices * 60
    interval = young_interval(SAVE, between)
    expected = goodput(interval, SAVE, RESTART, between)
    measured, error = simulate(rng, interval, SAVE, RESTART, between, 20_000)
    best = max(goodput(t, SAVE, RESTART, between) for t in np.geomspace(1, 500, 400))
    assert abs(measured - expected) < 4 * error < 0.01
    assert best - expected < 0.001  # Young's interval does as well as the best
    hourly = goodput(60, SAVE, RESTART, between)
    rows[f"{devices:,}"] = [between, interval, expected, measured, hourly]
columns = ["fails every [min]", "save every [min]", "goodput", "simulated", "if hourly"]
failures = pd.DataFrame(rows, index=columns).T
good_1k, good_16k, good_100k = failures["goodput"]
hourly_16k = failures.loc["16,384", "if hourly"]
assert good_1k > 0.97 and good_16k > 0.9 and hourly_16k < good_16k - 0.05
failures.style.format("{:.2f}").format("{:.0f}", subset=columns[:2])

# %% name="cache"
from published import VLLM_BLOCKS
from replica import Replica

opt_13b = Transformer(40, 5120, 40, 40, 20_480, 50_272)
assert opt_13b.kv_bytes() == 800 * 1024  # "800 KB" in the PagedAttention paper
for granted, blocks in VLLM_BLOCKS.items():
    predicted = granted / LLAMA_3_1_8B.kv_bytes() / 16
    assert abs(predicted / blocks - 1) < 0.002
    print(f"vLLM made {blocks} blocks, calculated {predicted:.0f}")
weights_gb, kv_kib = LLAMA_3_1_70B.parameters * 2 / 1e9, LLAMA_3_1_70B.kv_bytes() / 1024
two, four = (Replica(LLAMA_3_1_70B, H100, n) for n in (2, 4))
cache_ktokens = four.cache_tokens / 1000
LONGEST = (
    8_192  # --max-model-len: the engine does not start if one such sequence is too long
)
short_of = LONGEST - two.cache_tokens
assert weights_gb < 2 * 80 and short_of > 0  # the weights fit, and not one sequence
assert four.cache_tokens > 50 * LONGEST
print(f"70B: weights {weights_gb:.0f} GB, cache {kv_kib:.0f} KiB a token")
print(f"tokens of cache: {two.cache_tokens} on 2 GPUs, {four.cache_tokens:,} on 4")

# %% name="throughput"
from published import calculated_over_measured

ratios = calculated_over_measured(lambda m, n: Replica(m, H100, n, value_bytes=1))
fit = pd.Series(ratios).unstack(0)[["8B on 1", "70B on 2", "405B on 8"]]
low_8b, low_70b, low_405b = fit.min()
high_8b, high_70b, high_405b = fit.max()
assert 0.7 < min(low_8b, low_70b) and max(high_8b, high_70b) < 1.15
assert low_405b > 1.15  # the model has no communication between devices
fit.sort_values("70B on 2").style.format("{:.2f}")

# %% name="replica"
PROMPT, OUTPUT, TOKEN_SECONDS, RATE = 2_000, 400, 0.05, 20  # in the busiest hour
fits = four.slots(PROMPT, OUTPUT)
slots = four.slots(PROMPT, OUTPUT, TOKEN_SECONDS)
residence = four.residence_seconds(slots, PROMPT, OUTPUT)
capacity = four.requests_per_second(slots, PROMPT, OUTPUT)
prefill_share = slots * four.prefill_seconds(PROMPT) / residence
offered, at_full = RATE * residence, RATE / capacity
assert slots < fits  # latency, not memory, sets the batch
soon = 2 * capacity  # requests that start within the 2 s of the target
assert (slots, round(slots + soon)) == (72, 79)  # as in the command of the page
assert 14_000 < soon * PROMPT < 15_000
print(f"{fits} sequences fit, {slots} keep to {TOKEN_SECONDS * 1000:.0f} ms a token")
print(f"{residence:.1f} s each, {capacity:.2f} requests/s; {prefill_share:.0%} prefill")
print(f"{RATE}/s keep {offered:.0f} slots busy: {at_full:.2f} replicas")

# %% name="queue-check"
import queueing
from scipy import stats

busy, runs = 0.9 * slots, []
for seed in range(20):
    rng = np.random.default_rng(seed)
    arrivals = queueing.poisson(rng, busy / residence, 3 * 3600)
    services = rng.exponential(residence, len(arrivals))
    waits = queueing.simulate(arrivals, services, slots)[1_000:]  # once it is steady
    runs.append(((waits > 0).mean(), waits.mean()))
must_wait = queueing.wait_probability(slots, busy)
at_90 = must_wait * residence / (slots - busy)  # mean wait
formula = np.array([must_wait, at_90])
mean, error = np.mean(runs, axis=0), stats.sem(runs, axis=0)
margin = error * stats.t.ppf(0.9995, len(runs) - 1)
assert (abs(mean - formula) < margin).all() and (margin < 0.5 * formula).all()
check = pd.DataFrame({"Erlang C": formula, "simulated": mean, "99.9% ±": margin})
check.set_axis(["share that waits", "mean wait [s]"]).round(3)

# %% name="fleet"
from fleet import Fleet, deferred

fleet = Fleet(slots, residence, OUTPUT, RATE, target=2.0)
counts = range(6, 12)
curves = pd.DataFrame(index=counts)
curves["one queue, Erlang C"] = [fleet.one_queue(n) for n in counts]
curves["a queue each, Erlang C"] = [fleet.own_queues(n) for n in counts]
arrivals, answers = fleet.traffic(seed=0, burst=2)
curves["bursts, simulated"] = [fleet.p95(arrivals, answers, n) for n in counts]
by_erlang, by_own_queues, for_bursts = (curves <= fleet.target).idxmax()
long_answers = [fleet.needed(*fleet.traffic(seed)) for seed in range(5)]
with_bursts = [fleet.needed(*fleet.traffic(seed, burst=2)) for seed in range(5)]
assert by_erlang == math.ceil(at_full) < by_own_queues
assert max(long_answers) <= by_erlang + 1 and min(with_bursts) >= by_erlang + 2
print(f"Erlang C: one queue {by_erlang}, a queue each {by_own_queues} replicas")
print(f"simulated: long answers {long_answers}, and bursts {with_bursts}")

# %% name="fleet-figure" tags=["hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for (name, waits), marker in zip(curves.items(), "os^"):
    ax.plot(curves.index, waits, marker=marker, label=name)
ax.axhline(fleet.target, linestyle=":", color="C5", label="target")
ax.set(xlabel="replicas of 4 GPUs", ylabel="95% of requests wait at most [s]")
ax.set_xticks(list(counts))
ax.legend(fontsize=9)
plt.show()

# %% name="levers"
capped = np.minimum(answers, 1_024)
cut_short = float((answers > 1_024).mean())
fp8 = Replica(LLAMA_3_1_70B, H100, 2, value_bytes=1)
assert fp8.slots(PROMPT, OUTPUT, TOKEN_SECONDS) == slots  # on half the GPUs
with_cap = fleet.needed(arrivals, capped)
smoothed = fleet.needed(deferred(arrivals, share=0.4), answers)
gpus = {
    "as it comes": for_bursts * four.devices,
    "max_tokens 1,024": with_cap * four.devices,
    "batch work deferred": smoothed * four.devices,
    "FP8": for_bursts * fp8.devices,
    "FP8 and max_tokens": with_cap * fp8.devices,
}
as_it_comes, capped_gpus, deferred_gpus, fp8_gpus, both_gpus = gpus.values()
saved_by_cap, saved_by_deferral = as_it_comes - capped_gpus, as_it_comes - deferred_gpus
assert both_gpus < fp8_gpus < deferred_gpus < capped_gpus < as_it_comes

refused = {}  # share turned away if none may wait longer than the target
for n in (by_erlang, by_erlang + 1):
    waits = fleet.waits(arrivals, answers, n, patience=fleet.target)
    assert np.nanmax(waits) <= fleet.target
    refused[int(n) * four.devices] = float(np.isnan(waits).mean())
(few_gpus, few_refused), (more_gpus, more_refused) = refused.items()
assert few_refused > 1.5 * more_refused > 0.01
print(pd.Series(gpus, name="GPUs"))
print("refused:", ", ".join(f"{r:.1%} on {n} GPUs" for n, r in refused.items()))

# %% name="quotas"
from pool import Forecast, manifests

priority, quota, asks = manifests()
POOL, MACHINE = 64, 8  # GPUs
serving_quota, research_quota = quota["serving"], quota["research"]
assert asks["serving"] == four.devices and MACHINE % asks["serving"] == 0
# The plan and a machine to spare; the rest is lent to those who can be evicted.
assert serving_quota == capped_gpus + MACHINE <= POOL
assert serving_quota + research_quota > POOL
assert priority["serving"] > priority["research"]
print(pd.DataFrame({"GPUs a pod": asks, "quota": quota, "priority": priority}))

# %% name="alerts"
import demand

forecast, DELIVERY = Forecast(), 8  # weeks
false_alarms, notice = [], []
for seed in range(3):
    steady = demand.hourly(seed, weeks=40, grows_from=40, growth=0)
    grows = demand.hourly(seed, weeks=40, grows_from=16, growth=1.2)
    six_hours = demand.predict_linear(steady, 6, DELIVERY * demand.WEEK)
    false_alarms.append((six_hours > POOL).mean())
    assert steady.max() < POOL and forecast(steady).max() < POOL
    notice.append(forecast.notice(grows, POOL))
false_alarm, least_notice = float(min(false_alarms)), min(notice)
assert false_alarm > 0.3 and least_notice >= DELIVERY
print(f"6 h extended by {DELIVERY} weeks: alarm in {false_alarm:.0%} of quiet hours")
print(f"the rule: none, and {least_notice:.1f} weeks of notice once demand grows")

# %% name="planned-full"
half_hours = []
for seed in range(8):
    rng = np.random.default_rng(seed)
    arrivals = queueing.poisson(rng, slots / residence, 2 * 3600)  # 100% of a replica
    services = rng.exponential(residence, len(arrivals))
    waits = queueing.simulate(arrivals, services, slots)
    half_hours.append([part.mean() for part in np.array_split(waits, 4)])
first, *_, last = np.mean(half_hours, axis=0)
assert last > 1.5 * first and last > 20 * at_90
print(f"at 100%: {first:.0f} s in the first half hour, {last:.0f} s in the fourth")
print(f"at 90%, however long: {at_90:.1f} s")

# %% name="sweep-bursts" tags=["sweep"] flips="outgrown"
FACTORS = [1, 1.25, 1.5, 2, 2.5, 3]
found = {
    f: [fleet.needed(*fleet.traffic(seed, f)) for seed in range(5)] for f in FACTORS
}
needed = pd.DataFrame(found).agg(["min", "max"]).T
assert needed.apply(lambda column: column.is_monotonic_increasing).all()
more = [f for f in FACTORS if max(found[f]) > by_erlang]  # in one of five runs
outgrown = min(more, default=math.inf)
assert 1 < outgrown < 2 and needed.loc[2, "min"] >= by_erlang + 2
needed.columns = ["fewest of five runs [replicas]", "most [replicas]"]
needed.rename_axis("rate in a burst [times the rest]")
