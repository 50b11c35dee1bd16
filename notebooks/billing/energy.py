# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何测量并降低训练与推理的能耗？ · How do you measure and cut energy use?
# 先测仪表：会绕回的计数器、会漏采样的传感器；再用公开实测算批、专家、副本、功率上限；最后是时钟、休眠、时段，以及真实引擎的处理器时间。
# First the meters: a counter that wraps, a sensor that misses things; then batch, experts, replicas and power limits from published measurements; then clock, sleep and hour of day, and the processor time of a real engine.

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
assert worst_drifting < 0.06 and worst_counter < 0.03
spread = {view: np.quantile(error, [0, 0.5, 1]) for view, error in views.items()}
table = pd.DataFrame(spread, index=["lowest", "median", "highest"]).T
table.rename_axis("error in energy").map("{:+.1%}".format)

# %% name="tokens"
from decoding import GPUS, RUNS, law, moe_read, touched, worst_error
from transformer_costs import accelerator, transformer

H100, LLAMA_3_1_70B = accelerator("h100_sxm"), transformer("llama_3_1_70b")
JOULES = {name: {row[0]: row[1] for row in rows} for name, rows in RUNS.items()}
DENSE = {
    "8B, bf16, 1 x H100": (transformer("llama_3_1_8b"), 2),
    "70B, bf16, 4 x H100": (LLAMA_3_1_70B, 2),
    "405B, fp8, 8 x H100": (transformer("llama_3_1_405b"), 1),
}
rows = []
for name, (llm, weight_bytes) in DENSE.items():
    step, sequence = law(JOULES[name])
    sheet = H100.power / H100.bandwidth * llm.forward_flops(0) / 2 * weight_bytes
    rows.append((name, step, sheet, sequence, worst_error(JOULES[name])))
columns = ["Llama 3.1", "step [J]", "sheet [J]", "sequence [J]", "law off"]
laws = pd.DataFrame(rows, columns=columns).set_index("Llama 3.1")
law_off = laws["law off"].max()
sheet_off = (laws["step [J]"] / laws["sheet [J]"] - 1).abs().max()
assert law_off < 0.065 and sheet_off < 0.2

joules_70b = JOULES["70B, bf16, 4 x H100"]
small, large = min(joules_70b), max(joules_70b)
gain = joules_70b[small] / joules_70b[large]
step_70b, sequence_70b = law(joules_70b)
half_batch = step_70b / sequence_70b  # where both parts are equal
assert 9.5 < gain < 10.5 and 70 < half_batch < 90
laws.drop(columns="sheet [J]").style.format({"law off": "{:.1%}"}, precision=2)

# %% name="experts"
MOE = ["235B-A22B, bf16, 8 x H100", "235B-A22B, bf16, 4 x B200"]
errors_of = {n: (worst_error(JOULES[n]), worst_error(JOULES[n], moe_read)) for n in MOE}
columns = ["all weights", "experts touched"]
moe = pd.DataFrame(errors_of, index=columns).T.rename_axis("law off, if a step reads")
plain_off, experts_off = moe.max()
assert moe["all weights"].min() > 0.3 and experts_off < 0.15
touched_8, touched_64 = touched(8), touched(64)
assert 0.4 < touched_8 < 0.41 and touched_64 > 0.98
# Published: 235 billion, input embeddings too.
assert abs(moe_read(10_000) - 234.5) < 0.5
four_b200 = JOULES[MOE[1]]
moe_gain = four_b200[min(four_b200)] / four_b200[max(four_b200)]
moe_largest = max(four_b200)
assert 25 < moe_gain < 29
moe.map("{:.0%}".format)

# %% name="curve" tags=["hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(5.5, 3.8), layout="constrained")
axis = np.geomspace(7, 4_000, 80)
for name, read in (("70B, bf16, 4 x H100", None), (MOE[1], moe_read)):
    points = JOULES[name]
    (line,) = ax.loglog(points.keys(), points.values(), "o", label=name)
    inside = axis[axis <= max(points)]
    for style, reads in (("--", lambda batch: 1.0), ("-", read)):
        if reads:
            unit, sequence = law(points, reads)
            curve = [unit * reads(b) / b + sequence for b in inside]
            ax.plot(inside, curve, style, color=line.get_color())
ax.set(xlabel="sequences decoded together (B)", ylabel="GPU energy [J/token]")
ax.set_xticks([8, 32, 128, 512, 2048], [8, 32, 128, 512, 2048])
ax.set_yticks([0.1, 1, 10], [0.1, 1, 10])
ax.minorticks_off()
ax.legend(fontsize=9)
plt.show()

# %% name="watts"
LIMIT = 500  # W
rows = []
for name in [*DENSE, MOE[0]]:
    watts = {batch: power / GPUS[name] for batch, _, _, power in RUNS[name]}
    over = [batch for batch, power in watts.items() if power > LIMIT]
    rows.append((name, watts[min(watts)], watts[max(watts)], min(over)))
columns = ["watts a card", "smallest batch", "largest batch", "500 W from batch"]
cards = pd.DataFrame(rows, columns=columns).set_index("watts a card")
least_watts, most_watts = cards.iloc[:, 0].min(), cards.iloc[:, 1].max()
small_70b, large_70b, limit_batch = cards.loc["70B, bf16, 4 x H100"]
assert (cards.iloc[:, 0] < LIMIT).all() and (cards.iloc[:, 1] > LIMIT).all()
assert 350 < least_watts < 360 and 680 < most_watts < 690
assert 63 < limit_batch < 65 and cards.iloc[0, 2] < 17 and cards.iloc[3, 2] > 200
cards.round(0)

# %% name="precision"
bf16, fp8 = (JOULES[f"235B-A22B, {kind}, 8 x H100"] for kind in ("bf16", "fp8"))
batches = [8, 16, 32, 64, 128]
energy = pd.DataFrame(index=pd.Index(batches, name="235B-A22B on 8 x H100, batch"))
for kind, points in (("bf16", bf16), ("fp8", fp8)):
    between = np.interp(batches, list(points), list(points.values()))
    energy[f"{kind} [J/token]"] = between
change = energy["fp8 [J/token]"] / energy["bf16 [J/token]"] - 1
fp8_small, fp8_large = change[8], change[128]
fp8_saved = -fp8_large
assert 0.5 < fp8_small < 0.6 and -0.15 < fp8_large < -0.05
h100, b200 = (JOULES[f"70B, bf16, {cards}"] for cards in ("4 x H100", "2 x B200"))
newer_small, newer_large = (
    1
    - np.interp(b, list(b200), list(b200.values()))
    / np.interp(b, list(h100), list(h100.values()))
    for b in (8, 510)
)
assert 0.04 < newer_small < 0.06 and 0.33 < newer_large < 0.38
energy.assign(change=change.map("{:+.0%}".format)).round(2)

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
# Bytes that vLLM's default share of the memory leaves for the cache.
MEMORY = 4 * H100.memory * 0.92 - 2 * LLAMA_3_1_70B.parameters
KV = LLAMA_3_1_70B.kv_bytes()  # bytes for each token of context
context = np.array([1, 2, 4, 8, 16, 32]) * 1024
fits = MEMORY / (KV * context)
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

# %% name="model-card"
from published import CHINA, LLAMA_3_1, META_PUE, NODE

card = pd.DataFrame(LLAMA_3_1, index=["hours", "t CO2e"]).T.rename_axis("Llama 3.1")
card["GWh at 700 W"] = card["hours"] * H100.power / 1e9
card["implied kg/kWh"] = card["t CO2e"] / card["GWh at 700 W"] / 1e3
factors = card["implied kg/kWh"]
factor, factor_spread = float(factors.mean()), float(factors.max() / factors.min() - 1)
assert factor_spread < 0.015  # no more than 420 and 7.0 are rounded by
without_pue = factor / META_PUE
assert abs(without_pue / 0.385 - 1) < 0.01  # the factor of the LLaMA paper
node_factor = NODE / 8 / H100.power  # per GPU, against the limit of one
gwh = float(card["GWh at 700 W"]["405B"])
north, southwest = (gwh * 1.2 * CHINA[grid] for grid in ("north", "southwest"))  # kt
assert 1.4 < node_factor < 1.6 and 16 < north < 17 and 6 < southwest < 6.6
card.drop(columns="hours").style.format({"t CO2e": "{:,.0f}"}, precision=3)

# %% name="clock"
from clock import CLOCK, HOST, IDLE, compute_bound, decode

rows = []
for load in (compute_bound, decode):
    for seen, static in {"GPU": IDLE, "GPU + host": IDLE + HOST}.items():
        time, spent = load(static)
        best = spent.argmin()
        saved, longer = 1 - spent[best] / spent[-1], time[best] - 1
        name = load.__name__.replace("_", "-")
        rows.append((f"{name}, {seen}", CLOCK[best], saved, longer))
columns = ["load, meter sees", "best clock", "energy saved", "longer by"]
clocks = pd.DataFrame(rows, columns=columns).set_index("load, meter sees")
best_gpu, best_node, *best_decode = clocks["best clock"]
saved_gpu, saved_node, decode_gpu, decode_node = clocks["energy saved"]
assert 0.49 < best_gpu < 0.51 and 0.8 < best_node < 0.83
assert (clocks["longer by"].iloc[2:] < 0.01).all() and np.allclose(best_decode, 0.5)
assert saved_node < 0.06 < 0.1 < saved_gpu and 0.1 < decode_node < decode_gpu

guesses = [decode(IDLE, share, busy)[1] for share in (0.4, 0.6) for busy in (0.2, 0.4)]
decode_least, *_, decode_most = sorted(1 - e.min() / e[-1] for e in guesses)
assert 0.1 < decode_least < decode_gpu < decode_most < 0.5
at_full = decode(IDLE)[1][-1]  # W: a step takes one unit of time
assert abs(at_full / small_70b - 1) < 0.03  # like 70B at batch 8
clocks.map("{:.0%}".format)

# %% name="fleet"
import fleet

NODES, PEAK, SEEDS = 40, 36, range(5)
POLICIES = [(5, 0.0), (5, 0.2), (15, 0.2), (15, 0.4)]  # minutes to wake, spare
names = [f"wakes in {wake} min, {spare:.0%} spare" for wake, spare in POLICIES]
saved, short = (pd.DataFrame(index=SEEDS, columns=names, dtype=float) for _ in range(2))
for seed in SEEDS:
    load = fleet.week(np.random.default_rng(seed), PEAK)
    awake = fleet.power(on=NODES, load=load).sum()
    for name, (wake, spare) in zip(names, POLICIES):
        kw, missing = fleet.sleeping(load, NODES, wake, spare)
        saved.loc[seed, name] = 1 - kw.sum() / awake
        short.loc[seed, name] = (missing > 0).sum()
utilisation = load.mean() / NODES
bold, safe, late, patient = saved.median()
bold_short, safe_short, late_short, patient_short = short.median()
assert (saved[names[0]] > saved[names[1]]).all()  # spare capacity costs energy,
assert (saved[names[2]] > saved[names[3]]).all()  # whatever the seed
assert bold > safe > patient > 0.15 and 0.4 < utilisation < 0.42
assert short[names[0]].min() > 500 and late_short > 0
assert safe_short == patient_short == 0
extremes = [f"{low:.1%} - {high:.1%}" for low, high in zip(saved.min(), saved.max())]
sleep = pd.DataFrame({"saved": extremes}, index=pd.Index(names, name="policy"))
counts = zip(short.min(), short.max())
sleep["minutes short"] = [f"{low:.0f} - {high:.0f}" for low, high in counts]
sleep

# %% name="hours"
from published import GRAMS

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
moved.style.format({"saved": "{:.0%}"}, precision=0)

# %% name="hours-curve" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(5.5, 3.4), layout="constrained")
for region, grams in GRAMS.items():
    (line,) = ax.step(range(25), [*grams, grams[-1]], where="post", label=region)
    best = int(moved["best start"][region])
    chosen = range(best, best + JOB + 1)
    window = [*grams[best : best + JOB], grams[best + JOB - 1]]
    ax.step(chosen, window, where="post", lw=8, alpha=0.35, color=line.get_color())
ax.set(xlabel="hour of the local day", ylabel="gCO2/kWh", ylim=(0, None), xlim=(0, 24))
ax.set_xticks(range(0, 25, 6))
ax.legend(fontsize=9, ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.show()

# %% name="engine" tags=["volatile"]
from functools import partial

from language_model import Engine
from meter import generate, processor_seconds, steps, together

TOKENS = 16
engine = Engine(slots=8, context=8 * 512)  # SmolLM2-135M in llama.cpp, one thread
together(engine.address, 8, 4)  # not the first time, which allocates
rows = []
for batch in (1, 4, 8):
    before = steps(engine.address)
    work = partial(together, engine.address, batch, TOKENS)
    runs = [processor_seconds(work) for _ in range(2)]
    assert [len(replies) for _, replies in runs] == [batch] * 2
    passes = (steps(engine.address) - before) / (2 * batch * TOKENS)
    spent = min(spent for spent, _ in runs) / (batch * TOKENS)
    rows.append((batch, passes, 1e3 * spent))
columns = ["sequences together", "weight reads a token", "processor ms a token"]
engine_work = pd.DataFrame(rows, columns=columns).set_index("sequences together")
reads_gain, processor_gain = engine_work.iloc[0] / engine_work.iloc[-1]
assert 6 < reads_gain < 9 and 0.5 < processor_gain < reads_gain / 2
engine_work.round(2)

# %% name="no-saving" tags=["volatile"]
document = "The service charges for tokens, not for seconds. " * 12
question = document + "Question: what does the service charge for? Answer:"


def optimize_energy(prompt: str) -> str:
    return prompt


def ask(prompt: str, cache: bool) -> tuple[float, dict]:
    work = partial(generate, engine.address, prompt, 12, cache)
    runs = [processor_seconds(work) for _ in range(2)]
    return min(runs, key=lambda run: run[0])


ways = {
    "as it was": ask(question, False),
    "after optimize_energy": ask(optimize_energy(question), False),
    "prefix cache": ask(question, True),
}
engine.stop()
saving = pd.DataFrame(index=pd.Index(ways, name="one request"))
saving["processor seconds"] = [spent for spent, _ in ways.values()]
computed = [reply["timings"]["prompt_n"] for _, reply in ways.values()]
cached_prompt = computed[2]
saving["prompt tokens computed"] = computed
before, after, cached = saving["processor seconds"]
assert 0.7 < after / before < 1.4 and cached < before / 2
assert computed[0] == computed[1] > 100 and computed[2] < 5  # the rest was cached
same_text = ways["as it was"][1]["content"] == ways["prefix cache"][1]["content"]
saving.round(2)
