# %% [markdown]
# # 大模型消耗的硬件如何估算与控制？ · How do you estimate and contain the hardware a large model needs?
# 训练与推理的容量计算器，与公开数据核对；排队公式与模拟；配额与告警。
# A calculator for training and serving held to published data; queueing by formula and simulation; quotas and alerts.

# %% name="training-hours"
import math

import numpy as np
import pandas as pd
from published import H100, LLAMA_3_1_8B, LLAMA_3_1_70B, TRAINING

STEADY = 0.41  # MFU in the Llama 3 paper: 16,384 GPUs, sequences of 8,192 tokens
rows = {}
for name, (parameters, tokens, published) in TRAINING.items():
    flops = 6 * parameters * tokens
    at_peak = flops / (H100.bf16_flops * 3600) / 1e6  # million GPU hours
    planned = at_peak / STEADY
    rows[name] = [planned, published, published / planned, at_peak / published]
    assert name != "Llama 3.1 405B" or abs(flops / 3.8e25 - 1) < 0.01  # its paper says
columns = ["planned [M h]", "published [M h]", "overrun", "end-to-end MFU"]
training = pd.DataFrame(rows, index=columns).T
over_8b, over_70b, over_405b, over_v3 = training["overrun"]
mfu_8b, mfu_70b, mfu_405b, mfu_v3 = training["end-to-end MFU"]
of_fp8_peak = mfu_v3 / 2  # V3 was trained in FP8, at twice the peak
assert 1 < over_v3 < over_405b < 1.25 and over_70b > 1.4 and over_8b > 2.5
assert mfu_8b < 0.14 < mfu_70b < 0.34 < mfu_405b < mfu_v3 < 0.35
assert of_fp8_peak < 0.18
training.style.format("{:.2f}")

# %% name="devices"
DAYS, SEQUENCE, P = 30, 8_192, LLAMA_3_1_70B.parameters
flops = 6 * P * 1e12


def in_time(utilisation: float, peak: float = H100.bf16_flops) -> int:
    return math.ceil(flops / (peak * utilisation * DAYS * 86_400))


# The input of every layer and one layer in full, 10% spare; states sharded by ZeRO-3.
kept = SEQUENCE * LLAMA_3_1_70B.width * (2 * LLAMA_3_1_70B.layers + 34)
floor, by_deadline = math.ceil(16 * P / (0.9 * H100.memory - kept)), in_time(mfu_70b)
optimistic, from_sheet = in_time(STEADY), in_time(STEADY, 2 * H100.bf16_flops)
by_memory_days = DAYS * by_deadline / floor
attention = (LLAMA_3_1_8B.forward_flops(s // 2) for s in (8_192, 131_072))
short, long = (each / (2 * LLAMA_3_1_8B.parameters) for each in attention)
assert 15 < floor < 25 and by_deadline > 1.4 * optimistic and by_memory_days > 900
assert by_deadline > 3 * from_sheet and abs(short - 1) < 0.1 and long > 2.5
print(f"to fit {floor} GPUs; to finish in {DAYS} days {by_deadline}")
print(f"planned with 41% MFU {optimistic}, with sparse FLOPS too {from_sheet}")

# %% name="cache"
from published import VLLM_BLOCKS
from replica import GIB, Replica

for granted, blocks in VLLM_BLOCKS.items():
    assert abs(granted / LLAMA_3_1_8B.kv_bytes() / 16 / blocks - 1) < 0.002
PROMPT, OUTPUT, LONGEST = 2_000, 400, 8_192  # tokens
two, four = (Replica(LLAMA_3_1_70B, H100, n) for n in (2, 4))
weights_gb, logged = 2 * P / 1e9, two.workspace_gib
rows = {}
for gib in (2, logged, 6):
    replicas = (Replica(LLAMA_3_1_70B, H100, n, workspace_gib=gib) for n in (2, 4))
    rows[gib] = [r.slots(PROMPT, OUTPUT) for r in replicas]
held = pd.DataFrame(rows, index=["2 GPUs [sequences]", "4 GPUs [sequences]"]).T
few, many = held.loc[logged]
left = two.memory_gib * two.usable - P * 2 / two.devices / GIB  # on each GPU
no_start = left - LONGEST * LLAMA_3_1_70B.kv_bytes() / two.devices / GIB
assert weights_gb < 2 * 80 and (held.iloc[:, 1] > 10 * held.iloc[:, 0]).all()
assert few == 6 and logged < no_start < 6  # above, the engine does not start
held.rename_axis("workspace on each GPU [GiB]").round(2)

# %% name="throughput"
from published import LONG_PROMPTS, SHAPES, calculated_over_measured

ratios = calculated_over_measured()
tp2, tp4, tp8, ampere = (row for _, row in ratios.iterrows())
assert (tp2 < tp4).all() and (tp4 < tp8).all()  # the same model, on more GPUs
assert tp2[LONG_PROMPTS].between(0.85, 1).all()  # by which 0.5 and 0.6 were chosen
tested = pd.concat([tp4[LONG_PROMPTS], ampere[LONG_PROMPTS]])
low, high, high_8 = tested.min(), tested.max(), tp8.max()
assert high_8 < 4  # the published row of eight H100s
assert low < 0.8 and 1.2 < high < 1.25 < tp4[SHAPES].min() and high_8 > 3.5
shown = {"long prompts": ratios[LONG_PROMPTS], "long answers": ratios[SHAPES]}
extremes = {name: part.agg(["min", "max"], axis=1) for name, part in shown.items()}
pd.concat(extremes, axis=1).style.format("{:.2f}")

# %% name="replica"
from transformer_costs import accelerator

TOKEN_SECONDS, RATE, TARGET = 0.05, 20, 2.0  # in the busiest hour
fits, slots = many, four.slots(PROMPT, OUTPUT, TOKEN_SECONDS)
residence = four.residence_seconds(slots, PROMPT, OUTPUT)
capacity, at_full = slots / residence, RATE * residence / slots  # Little's law
prefill_share = slots * four.prefill_seconds(PROMPT) / residence
soon = TARGET * capacity  # requests that start within the target
assert slots < fits / 2  # latency, not memory, sets the batch
assert 0.5 < prefill_share < 0.55
assert (slots, round(slots + soon)) == (72, 79)  # as in the command of the page
prefill_rate = PROMPT / four.prefill_seconds(PROMPT)  # tokens/s, if nothing decodes
assert 27_500 < TARGET * prefill_rate < 28_000
ascend = Replica(LLAMA_3_1_70B, accelerator("ascend_910c"), 4, memory_gib=128e9 / GIB)
ascend_slots = ascend.slots(PROMPT, OUTPUT, TOKEN_SECONDS)
assert 50 < ascend_slots < slots
print(f"{fits} sequences fit, {slots} keep to {TOKEN_SECONDS * 1000:.0f} ms a token")
print(f"{residence:.1f} s each, {capacity:.2f} requests/s; {prefill_share:.0%} prefill")
print(f"{at_full:.2f} replicas at full load; four Ascend 910C: {ascend_slots} slots")

# %% name="fleet"
from fleet import Fleet

load = PROMPT, OUTPUT, TOKEN_SECONDS, RATE, TARGET
fleet, slow, fast = (
    Fleet.of(Replica(LLAMA_3_1_70B, H100, 4, efficiency=e), *load)
    for e in (1, 1 / high, 1 / low)
)
burst_rate, own_queues = fleet.burst_rate(2), fleet.by_formula(RATE, True)
by_mean, by_burst = fleet.by_formula(RATE), fleet.by_formula(burst_rate)
runs = {
    "steady": fleet.five_runs(burst=1),
    "bursts": fleet.five_runs(burst=2),
    "bursts, slowest published": slow.five_runs(burst=2),
    "bursts, fastest published": fast.five_runs(burst=2),
}
steady, bursts, if_slow, if_fast = map(max, runs.values())
assert by_mean == math.ceil(at_full) == steady < own_queues
assert min(runs["bursts"]) >= by_mean + 2 and bursts == by_burst - 1
assert bursts / by_mean == 1.5  # half as many GPUs again
assert if_slow - if_fast > bursts - by_mean and 3 * burst_rate == 100
print(
    f"Erlang C: mean rate {by_mean}, a queue each {own_queues}, burst rate {by_burst}"
)
ends = ["fewest of five runs [replicas]", "most [replicas]"]
pd.DataFrame({way: (min(n), max(n)) for way, n in runs.items()}, index=ends).T

# %% name="levers"
CAP = 1_024
shorter = fleet.bursts(cap=CAP)
mean_shorter = np.mean([tokens.mean() for _, tokens in shorter])
capped = Fleet.of(four, PROMPT, mean_shorter, TOKEN_SECONDS, RATE, TARGET)
need = {  # replicas: the most of the five runs with bursts
    "as it comes": bursts,
    "max_tokens 1,024": capped.most(shorter),
    "defer 10%": fleet.most(fleet.bursts(share=0.1)),
    "defer 20%": fleet.most(fleet.bursts(share=0.2)),
    "defer 40%": fleet.most(fleet.bursts(share=0.4)),
}
gpus = {lever: n * four.devices for lever, n in need.items()}
fp8 = Replica(LLAMA_3_1_70B, H100, 2, value_bytes=1)
assert (
    fp8.slots(PROMPT, OUTPUT, TOKEN_SECONDS) == slots
)  # half the bytes, twice the peak
gpus["FP8"] = bursts * fp8.devices
as_it_comes, capped_gpus, tenth, fifth, level, fp8_gpus = gpus.values()
assert 2 * fp8_gpus == as_it_comes == capped_gpus > tenth > fifth > level
# With less decoding, the prefills weigh more on each token.
capped_slots = capped.slots
assert 60 < capped_slots < 65 < slots
crowded_ms = 1000 * four.residence_seconds(slots, PROMPT, mean_shorter) / mean_shorter
assert 54.5 < crowded_ms < 55.5
few_gpus, few_refused = level, fleet.refused(by_mean)  # 40% levels the traffic
cut_short = fleet.share_above(CAP)
assert few_gpus == by_mean * four.devices
assert 0.08 < few_refused < 0.09 and 0.075 < cut_short < 0.085
print(pd.Series(gpus, name="GPUs"))
print(f"refused on {few_gpus} GPUs: {few_refused:.1%}; cut short: {cut_short:.0%}")
print(f"with the cap {capped_slots} slots; with {slots}, {crowded_ms:.1f} ms a token")

# %% name="quotas"
from pool import admitted, manifests

POOL, MACHINE = 64, 8  # GPUs
priority, quota, deployment = manifests()
serving_quota, research_quota, replicas = *quota.values(), deployment["replicas"]
promised = POOL - serving_quota  # to research; it may borrow the rest
assert replicas * deployment["gpus"] == tenth  # the plan
assert serving_quota == tenth + MACHINE  # and a machine to spare
assert 0 < promised < research_quota <= POOL
assert priority == {"serving": 100_000, "research": 1_000}  # as in the page's command
assert admitted("serving", "serving")
classes = [*priority, "system-cluster-critical", ""]
let_in = [name for name in classes if admitted("research", name)]
assert let_in == ["research"]
print(f"{replicas} replicas, quotas {quota}; research admits {let_in} of {classes}")

# %% name="alerts"
from pool import Forecast, hourly

DELIVERY = 8  # weeks
ahead, just_so = Forecast(), Forecast(ahead=DELIVERY)
assert (ahead.late_share, ahead.late_after) == (0.05, TARGET)
assert ahead.preempted == RATE / 200
assert [held < pd.Timedelta(hours=1) for held in ahead.held] == [True, True, False]
assert ahead.gpus(RATE) == serving_quota  # the quota is what the plan's rate takes


def notices(rule: Forecast, base: float) -> list[float]:
    """Weeks of notice with five seeds, if requests grow from this level on."""
    grows = (hourly(seed, base, grows_from=16) for seed in range(5))
    return [rule.notice(each, serving_quota) for each in grows]


def false_alarms(base: float) -> int:
    """In how many of five runs the rule fires though requests do not grow."""
    return sum(ahead.fires(hourly(n, base), serving_quota).any() for n in range(5))


LOW, MIDDLE, HIGH = 10, 12.5, 15.5  # requests/s, on average over a weekday
low_peak, middle_peak, high_peak = (
    hourly(0, each).max() for each in (LOW, MIDDLE, HIGH)
)
least_notice, just_so_notices = min(notices(ahead, LOW)), notices(just_so, LOW)
too_late = min(just_so_notices)
least_from_middle, alarms = min(notices(ahead, MIDDLE)), false_alarms(HIGH)
assert 6 < too_late < max(just_so_notices) < DELIVERY < 9 < least_notice < 9.5
assert [round(p) for p in (low_peak, middle_peak, high_peak)] == [12, 15, 18]
assert 6.5 < least_from_middle < DELIVERY - 1 and false_alarms(MIDDLE) == 0
assert alarms == 3
print(f"least notice: {least_notice:.1f} weeks, looking 8 ahead {too_late:.1f}")
print(f"grown from {middle_peak:.0f} requests/s: {least_from_middle:.1f}")
print(f"steady at {high_peak:.0f} of {RATE} requests/s: fires in {alarms} of 5 runs")

# %% name="sweep-bursts" tags=["sweep"] flips="outgrown"
found = {1: runs["steady"], 2: runs["bursts"]}
found |= {f: fleet.five_runs(f) for f in (1.1, 1.15, 1.2, 1.25, 1.5, 3)}
needed = pd.DataFrame(found).agg(["min", "max"]).T.sort_index()
needed["formula"] = [fleet.by_formula(fleet.burst_rate(f)) for f in needed.index]
outgrown = min(needed.index[needed["max"] > by_mean])  # in one of five runs
always = min(needed.index[needed["min"] > by_mean])
assert 1.1 < outgrown < always <= 1.25 and (needed["max"] <= needed["formula"]).all()
names = "fewest of five runs", "most", "by burst rate"
needed.columns = [f"{name} [replicas]" for name in names]
needed.rename_axis("rate in a burst [times the rest]")
