# %% [markdown]
# # 如何测量并降低训练与推理的能耗？ · How do you measure and cut energy use?
# 先测仪表：会绕回的计数器、会漏采样的传感器；再用公开实测算批、专家、副本、功率上限；最后是时钟、休眠、时段，以及真实引擎上的一次对照。
# First the meters: a counter that wraps, a sensor that misses things; then batch, experts, replicas and power limits from published measurements; then clock, sleep and hour of day, and a comparison on a real engine.

# %% name="counter"
from pathlib import Path

import pandas as pd
import powercap_tree
from meter import Rapl

SPENT, POWER = 500_000_000, 350  # uJ of the first socket; W of a processor
rows = []
for vendor, full in powercap_tree.FULL.items():
    root = Path(f"powercap-{vendor}")
    counters = {"package-0": full - SPENT // 2, "core": 0, "dram": 0, "package-1": 0}
    powercap_tree.write(root, counters, full)
    rapl = Rapl(root)
    first = rapl.read()
    spent = {"package-0": SPENT, "core": SPENT // 2, "dram": SPENT // 10}
    grown = {zone: energy + spent.get(zone, 0) for zone, energy in counters.items()}
    powercap_tree.write(root, grown, full)
    last = rapl.read()
    naive = sum(last[zone] - first[zone] for zone in rapl.zones) / 1e6
    measured = rapl.joules(first, last)
    rows.append((vendor, naive, measured, full / 1e6 / POWER / 60))
columns = ["counter", "subtracted [J]", "modulo range [J]", "full after [min]"]
wraps = pd.DataFrame(rows, columns=columns).set_index("counter")
true = 1.1 * SPENT / 1e6  # package and dram; core is a part of package
assert (abs(wraps["modulo range [J]"] - true) < 1e-6).all()
assert (wraps["subtracted [J]"] < 0).all()
intel_minutes, amd_minutes = wraps["full after [min]"]
assert 12 < intel_minutes < 13 and 3 < amd_minutes < 3.2
wraps.round(1)

# %% name="sensor"
import numpy as np
from sensor import errors

locked, drifting = errors(step=100, runs=400), errors(step=93, runs=400)
of_16_runs = locked["polled"].reshape(25, 16).mean(axis=1)  # begun at random times
views = {
    "polled, 100 ms steps": locked["polled"],
    "polled, 93 ms steps": drifting["polled"],
    "polled, 100 ms steps, mean of 16 runs": of_16_runs,
    "counter, 100 ms steps": locked["counter"],
}
worst = {view: np.abs(error).max() for view, error in views.items()}
worst_locked, worst_drifting, worst_mean, worst_counter = worst.values()
assert 0.6 < worst_locked < 0.7 and worst_mean < worst_locked / 2
# A counter is read at its last update, so it is not exact either.
assert worst_drifting < 0.06 and 0 < worst_counter < 0.03
spread = {view: np.quantile(error, [0, 0.5, 1]) for view, error in views.items()}
table = pd.DataFrame(spread, index=["lowest", "median", "highest"]).T
table.rename_axis("error in energy").map("{:+.1%}".format)

# %% name="tokens"
from decoding import GPUS, RUNS, law, moe_read, touched, worst_error
from transformer_costs import accelerator, transformer

H100, LLAMA_3_1_70B = accelerator("h100_sxm"), transformer("llama_3_1_70b")
CARDS = {"H100": H100, "B200": accelerator("b200")}
WEIGHTS = {  # that a step reads, in billions; of the mixture of experts all of them
    "8B": transformer("llama_3_1_8b").active_parameters / 1e9,
    "70B": LLAMA_3_1_70B.active_parameters / 1e9,
    "405B": transformer("llama_3_1_405b").active_parameters / 1e9,
    "235B-A22B": moe_read(10_000),
}
JOULES = {name: {row[0]: row[1] for row in rows} for name, rows in RUNS.items()}
rows = []
for name, joules in JOULES.items():
    model, precision, cards = name.split(", ")
    card = CARDS[cards.split()[-1]]
    weight_bytes = WEIGHTS[model] * (2 if precision == "bf16" else 1) * 1e9
    sheet = card.power / card.bandwidth * weight_bytes
    by_experts = worst_error(joules, moe_read) if model == "235B-A22B" else np.nan
    rows.append((name, worst_error(joules), by_experts, law(joules)[0] / sheet))
columns = ["measured", "law off", "off, experts touched", "step / sheet"]
laws = pd.DataFrame(rows, columns=columns).set_index("measured")

on_h100 = ["8B, bf16, 1 x H100", "70B, bf16, 4 x H100", "405B, fp8, 8 x H100"]
law_off = laws["law off"][on_h100].max()
sheet_off = (laws["step / sheet"][on_h100] - 1).abs().max()
b200_off, _, b200_sheet = laws.loc["70B, bf16, 2 x B200"]
assert law_off < 0.065 and sheet_off < 0.2  # dense, on H100; not so elsewhere:
assert 0.2 < b200_off < 0.25 and 1.4 < b200_sheet < 1.6
elsewhere = laws["step / sheet"].drop(on_h100)
sheet_low, sheet_high = elsewhere.min(), elsewhere.max()
assert 0.5 < sheet_low < 0.55 and 1.7 < sheet_high < 1.85
bf16_off, fp8_off = (
    laws[[kind in name and "235B" in name for name in laws.index]].iloc[:, :2]
    for kind in ("bf16", "fp8")
)
experts_off, plain_off = bf16_off.iloc[:, 1].max(), bf16_off.iloc[:, 0].max()
fp8_plain_off, fp8_experts_off = fp8_off.max()
assert bf16_off.iloc[:, 0].min() > 0.3 and experts_off < 0.15
assert fp8_off.iloc[:, 1].min() > 0.6 and fp8_plain_off < 0.12  # the other way round
touched_8, touched_64 = touched(8), touched(64)
assert 0.4 < touched_8 < 0.41 and touched_64 > 0.98
assert abs(moe_read(10_000) - 234.5) < 0.5  # published: 235, input embeddings too

joules_70b = JOULES["70B, bf16, 4 x H100"]
gain = joules_70b[min(joules_70b)] / joules_70b[max(joules_70b)]
step_70b, sequence_70b = law(joules_70b)
half_batch = step_70b / sequence_70b  # where both parts are equal
four_b200 = JOULES["235B-A22B, bf16, 4 x B200"]
moe_gain = four_b200[min(four_b200)] / four_b200[max(four_b200)]
moe_largest = max(four_b200)
assert 9.5 < gain < 10.5 and 70 < half_batch < 90 and 25 < moe_gain < 29
assert list(four_b200.values()) == sorted(four_b200.values(), reverse=True)
percent = "{:.0%}".format
laws.style.format(
    {"law off": percent, "off, experts touched": percent}, na_rep="-", precision=2
)

# %% name="curve" tags=["hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(3.5, 3.8), layout="constrained")
axis = np.geomspace(7, 4_000, 80)
for name in (
    "70B, bf16, 4 x H100",
    "235B-A22B, bf16, 4 x B200",
    "235B-A22B, fp8, 8 x H100",
):
    points = JOULES[name]
    (line,) = ax.loglog(points.keys(), points.values(), "o", label=name)
    inside = axis[axis <= max(points)]
    for style, reads in (("--", lambda batch: 1.0), ("-", moe_read)):
        if style == "--" or name.startswith("235B"):
            unit, sequence = law(points, reads)
            curve = [unit * reads(b) / b + sequence for b in inside]
            ax.plot(inside, curve, style, color=line.get_color())
ax.set(xlabel="sequences decoded together (B)", ylabel="GPU energy [J/token]")
ax.set_xticks([8, 32, 128, 512, 2048], [8, 32, 128, 512, 2048])
ax.set_yticks([0.1, 1, 10], [0.1, 1, 10])
ax.minorticks_off()
ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.45, 1))
plt.show()

# %% name="precision"
bf16, fp8, half = (
    JOULES[f"235B-A22B, {kind} x H100"] for kind in ("bf16, 8", "fp8, 8", "fp8, 4")
)
batches = [8, 16, 32, 64, 128]


def at(points: dict[float, float], batch: float) -> float:
    return np.interp(batch, list(points), list(points.values()))


energy = pd.DataFrame(index=pd.Index(batches, name="235B-A22B on H100, batch"))
energy["bf16, 8 cards"] = [at(bf16, batch) for batch in batches]
for name, points in {"fp8, 8 cards": fp8, "fp8, 4 cards": half}.items():
    energy[name] = [at(points, batch) for batch in batches] / energy[
        "bf16, 8 cards"
    ] - 1
fp8_small, half_small = energy.iloc[0, 1:]
fp8_large, half_large = energy.iloc[-1, 1:]
assert 0.5 < fp8_small < 0.6 and -0.1 < fp8_large < -0.05  # the same eight cards,
assert 0.25 < half_small < 0.35 and -0.28 < half_large < -0.24  # and half of them
fp8_saved, half_saved = -fp8_large, -half_large
assert half_saved > fp8_saved > 0
assert (energy.iloc[2:, 2] < -0.2).all()  # on half the cards, from batch 32 on
h100, b200 = (JOULES[f"70B, bf16, {cards}"] for cards in ("4 x H100", "2 x B200"))
newer_small, newer_large = (1 - at(b200, batch) / at(h100, batch) for batch in (8, 510))
assert 0.04 < newer_small < 0.06 and 0.33 < newer_large < 0.38
changes = dict.fromkeys(["fp8, 8 cards", "fp8, 4 cards"], "{:+.0%}")
energy.style.format(changes | {"bf16, 8 cards": "{:.2f} J"})

# %% name="replicas"
TRAFFIC = 4_000  # output tokens a second
batch, _, tokens, watts = np.array(RUNS["70B, bf16, 4 x H100"]).T
streams = pd.DataFrame(index=pd.Index([8, 4, 2, 1], name="replicas"))
each = TRAFFIC / streams.index
streams["batch of each"] = np.interp(each, tokens, batch)  # between measured points
streams["ms a token"] = streams["batch of each"] / each * 1e3
streams["J/token"] = np.interp(each, tokens, watts) / each
pooled_gain = streams["J/token"][8] / streams["J/token"][1]
pooled_slower = streams["ms a token"][1] / streams["ms a token"][8]
assert each.max() < tokens.max() and each.min() > tokens.min()  # nothing extrapolated
assert streams["J/token"].is_monotonic_decreasing
assert 6 < pooled_gain < 6.7 and 1.9 < pooled_slower < 2.2
streams.round(2)

# %% name="sweep-context" tags=["sweep"] flips="break_even"
from facts import fact

# Bytes that vLLM's default share of the memory leaves for the cache.
share = fact("vllm_defaults.gpu_memory_utilization")
FREE = 4 * H100.memory * share - 2 * LLAMA_3_1_70B.parameters
KV = LLAMA_3_1_70B.kv_bytes()  # bytes for each token of context
context = np.array([1, 2, 4, 8, 16, 32]) * 1024
fits = FREE / (KV * context)
# Short chats are in the law; longer contexts add the reading of their cache.
own = sequence_70b + H100.power / H100.bandwidth * KV * context
at_8, at_fit = step_70b / 8 + own, step_70b / fits + own
break_even = float(np.interp(-2, -at_8 / at_fit, context))  # where the gain is twofold
assert (np.diff(at_8 / at_fit) < 0).all() and 14_000 < break_even < 18_000
assert 14 < fits[-1] < 15 and 8 < (at_8 / at_fit)[0] < 8.2
cache_8k = own[3] - sequence_70b
assert cache_8k > sequence_70b
contexts = pd.DataFrame(index=pd.Index(context, name="context [tokens]"))
contexts["largest batch [sequences]"] = fits.round()
contexts["energy at batch 8 [J/token]"] = at_8.round(2)
contexts["energy at the largest batch [J/token]"] = at_fit.round(2)
contexts["gain [times]"] = (at_8 / at_fit).round(1)
contexts

# %% name="clock"
from clock import CLOCK, CORES, HOST, IDLE, MEMORY, compute_bound, decode

LIMIT = 500  # W
rows = []
for name in [name for name in RUNS if "H100" in name]:
    watts = {batch: power / GPUS[name] for batch, _, _, power in RUNS[name]}
    above = [batch for batch, power in watts.items() if power > LIMIT]
    rows.append((name, watts[min(watts)], max(watts.values()), min(above)))
columns = ["watts a card", "smallest batch", "at the most", "500 W from batch"]
cards = pd.DataFrame(rows, columns=columns).set_index("watts a card")
first, most, over = (cards[column] for column in columns[1:])
sets, below = len(cards), int((first < LIMIT).sum())
assert (most > LIMIT).all() and (sets, below) == (6, 5)
least_watts, most_watts, limit_batch = (
    first.min(),
    most.max(),
    over["70B, bf16, 4 x H100"],
)
assert first.idxmax() == "235B-A22B, fp8, 4 x H100"  # over the limit from the start
watts_70b = {b: power / 4 for b, _, _, power in RUNS["70B, bf16, 4 x H100"]}
small_70b, large_70b = watts_70b[min(watts_70b)], watts_70b[max(watts_70b)]
assert 350 < least_watts < 360 and 680 < most_watts < 700 and 63 < limit_batch < 65
assert 430 < small_70b < 450 and 630 < large_70b < 640

# The activity of the cores that explains the measured watts of 70B.
busy = [(watts - IDLE - MEMORY) / CORES for watts in (small_70b, large_70b)]
views = ["saved, card as at batch 8", "saved, card as at largest batch"]
index = pd.Index([0.3, 0.5, 0.7, 0.9], name="arithmetic, share of the step")
clocks = pd.DataFrame(index=index, columns=views, dtype=float)
for share in index:
    for view, activity in zip(views, busy):
        time, spent = decode(IDLE + HOST, share, activity)
        same_speed = spent[time < 1.001]
        clocks.loc[share, view] = 1 - same_speed.min() / spent[-1]
assert np.isclose(decode(IDLE, 0.5, busy[0])[1][-1], small_70b)  # the measured watts
assert (np.diff(clocks, axis=0) < 0).all()  # more arithmetic, less saved
clock_small, (clock_least, clock_most) = (
    clocks.iloc[1, 0],
    clocks.stack().agg(["min", "max"]),
)
assert clock_least < 0.06 and 0.25 < clock_most < 0.4

best = {s: CLOCK[compute_bound(s)[1].argmin()] for s in (IDLE, IDLE + HOST)}
best_gpu, best_node = best.values()  # of training or prefill, by either meter
time, spent = compute_bound(IDLE + HOST)
saved_node, longer_node = 1 - spent.min() / spent[-1], time[spent.argmin()] - 1
assert 0.49 < best_gpu < 0.51 and 0.8 < best_node < 0.83
assert 0.02 < saved_node < 0.06 and 0.2 < longer_node < 0.25
clocks.map("{:.0%}".format)

# %% name="fleet"
import fleet

NODES, PEAK, SEEDS = 40, 36, range(5)
POLICIES = [(5, 0.0), (5, 0.2), (15, 0.2), (15, 0.4)]  # minutes to wake, spare
names = [f"wakes in {wake} min, {spare:.0%} spare" for wake, spare in POLICIES]
saved, short = (pd.DataFrame(index=SEEDS, columns=names, dtype=float) for _ in range(2))
for seed in SEEDS:
    load = fleet.week(np.random.default_rng(seed), PEAK)
    awake = fleet.power(NODES, load).sum()
    for name, (wake, spare) in zip(names, POLICIES):
        kw, missing = fleet.sleeping(load, NODES, wake, spare)
        saved.loc[seed, name] = 1 - kw.sum() / awake
        short.loc[seed, name] = (missing > 0).sum()
# Idle power is assumed: the same policy with less and with more of it.
at_idle = {
    idle: 1
    - fleet.sleeping(load, NODES, 5, 0.2, idle)[0].sum()
    / fleet.power(NODES, load, idle).sum()
    for idle in (1.4, 3.2)
}
sleep_least, sleep_most = at_idle.values()
assert 0.13 < sleep_least < saved.iloc[-1, 1] < sleep_most < 0.29
utilisation = load.mean() / NODES
bold, safe, late, patient = saved.median()
bold_short, safe_short, late_short, patient_short = short.median()
assert (saved[names[0]] > saved[names[1]]).all()  # spare capacity costs energy,
assert (saved[names[2]] > saved[names[3]]).all()  # whatever the seed
assert (saved[names[1]] - saved[names[2]] > 0.003).all()  # so does a slow start
assert (saved.idxmax(axis=1) == names[0]).all() and 0.4 < utilisation < 0.42
assert 0.23 < bold < 0.25 and 0.19 < safe < 0.21 and 0.16 < patient < 0.18
assert short[names[0]].min() > 500 and late_short > 0
assert safe_short == patient_short == 0
extremes = [f"{low:.1%} - {high:.1%}" for low, high in zip(saved.min(), saved.max())]
sleep = pd.DataFrame({"saved": extremes}, index=pd.Index(names, name="policy"))
counts = zip(short.min(), short.max())
sleep["minutes short"] = [f"{low:.0f} - {high:.0f}" for low, high in counts]
sleep

# %% name="hours"
from published import CHINA, GRAMS

JOB = 6  # hours a day, at steady power
rows = []
for region, grams in GRAMS.items():
    starts = [np.roll(grams, -hour)[:JOB].mean() for hour in range(24)]
    best = int(np.argmin(starts))
    rows.append((region, starts[0], best, starts[best], 1 - starts[best] / starts[0]))
columns = ["gCO2/kWh", "from 0:00", "best start", "from then", "saved"]
moved = pd.DataFrame(rows, columns=columns).set_index("gCO2/kWh")
saved_california, saved_germany, saved_pjm = moved["saved"]
assert 0.55 < saved_california < 0.6 and 0 < saved_pjm < 0.03
assert moved["best start"].iloc[:2].between(9, 11).all()  # the sun, not the night
other_region = 1 - CHINA["southwest"] / CHINA["north"]
assert other_region > 0.6 and saved_germany < other_region

fig, ax = plt.subplots(figsize=(3.5, 3.2), layout="constrained")
for region, grams in GRAMS.items():
    (line,) = ax.step(range(25), [*grams, grams[-1]], where="post", label=region)
    best = int(moved["best start"][region])
    chosen = range(best, best + JOB + 1)
    window = [*grams[best : best + JOB], grams[best + JOB - 1]]
    ax.step(chosen, window, where="post", lw=8, alpha=0.35, color=line.get_color())
ax.set(xlabel="hour of the local day", ylabel="gCO2/kWh", ylim=(0, None), xlim=(0, 24))
ax.set_xticks(range(0, 25, 6))
ax.legend(fontsize=9, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()

# %% name="no-saving" tags=["volatile"]
from functools import partial

from language_model import Engine
from meter import processor_seconds

engine = Engine(slots=1, context=512)  # SmolLM2-135M in llama.cpp, one thread
document = "The service charges for tokens, not for seconds. " * 12
question = document + "Question: what does the service charge for? Answer:"


def optimize_energy(prompt: str) -> str:
    return prompt


def ask(prompt: str, cache: bool) -> tuple[float, list[dict]]:
    work = partial(engine.complete, [prompt], 12, cache_prompt=cache)
    runs = [processor_seconds(work) for _ in range(2)]
    return min(runs, key=lambda run: run[0])


ask("Warm up", False)  # which allocates
ways = {
    "as it was": ask(question, False),
    "after optimize_energy": ask(optimize_energy(question), False),
    "prefix cache": ask(question, True),
}
engine.stop()
saving = pd.DataFrame(index=pd.Index(ways, name="one request"))
saving["processor seconds"] = [spent for spent, _ in ways.values()]
replies = {way: reply for way, (_, [reply]) in ways.items()}
computed = [reply["timings"]["prompt_n"] for reply in replies.values()]
cached_prompt = computed[2]
saving["prompt tokens computed"] = computed
before, after, cached = saving["processor seconds"]
assert 0.7 < after / before < 1.4 and cached < before / 2
assert computed[0] == computed[1] > 100 and computed[2] < 5  # the rest was cached
same_text = replies["as it was"]["content"] == replies["prefix cache"]["content"]
saving.round(2)
