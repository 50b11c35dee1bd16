# ---
# jupyter:
#   qa:
#     seconds: 15
#     unchecked:
#       scaledobject.yaml: "KEDA 的对象不在 Kubernetes 的模式里；它生成的 HPA 在例子里检查 · an object of KEDA's, which Kubernetes' schemas do not hold; the HPA that it makes is checked in the example"
# ---

# %% [markdown]
# # 如何实现弹性伸缩？ · How do you scale elastically?
#
# 核对 HPA 规则与一份 KEDA 清单的含义，在真实引擎上看信号，再让各种策略跑同样的流量：启动时间、路由、回收、成本与抖动。
#
# Checks the HPA rule and what a KEDA manifest means, watches the signals of a real engine, and runs policies on the same traffic: start-up time, routing, reclaimed replicas, cost and flapping.

# %% name="rule-check"
import pandas as pd
from hpa import Hpa, desired_replicas, external, follow, per_minute

limits = [per_minute("Pods", 4), per_minute("Percent", 10)]
down = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": limits}}
shrink = follow(down, current=80, desired=10, minutes=16)
held = follow({}, current=20, desired=5, minutes=7).index(5)
examples = [
    ("docs: 4 pods, 200m against 100m", 8, desired_replicas(4, 4, 200, 100)),
    ("docs: 4 pods, inside the 10% tolerance", 4, desired_replicas(4, 4, 109, 100)),
    ("docs: 80 to 10, after two minutes", 64, shrink[1]),
    ("docs: default window, minutes held", 5, held),
    ("test: 1 of 3 not ready, 60% against 30%", 4, desired_replicas(3, 2, 60, 30)),
    ("test: 2 of 4 measured, 24.75%", 3, desired_replicas(4, 2, 24.75, 100)),
    ("test: external, 8.6 in all, 2.222 a pod", 4, external(3, 8.6, 2.222)),
    ("test: external, 8.6 in all, 3 a pod", 3, external(5, 8.6, 3)),
]
checked = pd.DataFrame(examples, columns=["example", "published", "here"])
assert (checked["published"] == checked["here"]).all() and shrink[-1] == 10
checked.astype({"here": int})

# %% name="metric"
from pathlib import Path

import kubernetes_validate
import yaml
from facts import fact
from scrape import evaluate, fires

RUNNING, WAITING = fact("vllm_metrics.running"), fact("vllm_metrics.waiting")
CACHE = fact("vllm_metrics.kv_cache_usage")
scrape = {
    ("llm", "chat", "a"): {RUNNING: 128, WAITING: 60, CACHE: 0.7},
    ("llm", "chat", "b"): {RUNNING: 100, WAITING: 0, CACHE: 0.99},
    ("llm", "code", "c"): {RUNNING: 40, WAITING: 5, CACHE: 0.2},
    ("staging", "chat", "d"): {RUNNING: 50, WAITING: 9, CACHE: 0.3},
}
spec = yaml.safe_load(Path("scaledobject.yaml").read_text())["spec"]
signal, guard = (trigger["metadata"] for trigger in spec["triggers"])
total, used = evaluate(signal["query"], scrape), evaluate(guard["query"], scrape)
assert total == 128 + 60 + 100  # both gauges, of this model and namespace only
assert abs(used - (0.7 + 0.99)) < 1e-9
TARGET = float(signal["threshold"])
want, want_guard = (
    external(2, total, TARGET),
    external(2, used, float(guard["threshold"])),
)
assert want == 4 and want_guard == 2 == external(2, total - 60, 115)
assert (
    external(2, 2 * 0.9, float(guard["threshold"])) == 3
)  # caches that are nearly full
assert signal["ignoreNullValues"] == guard["ignoreNullValues"] == "false"

hpa = yaml.safe_load(Path("hpa.yaml").read_text())
[(field, advanced)] = spec["advanced"].items()
assert field.lower() == f"{hpa['kind']}Config".lower()
average = {t.get("metricType", "AverageValue") for t in spec["triggers"]}
assert average == {"AverageValue"}  # each threshold is for one replica
scaling = advanced | {
    "minReplicas": spec["minReplicaCount"],
    "maxReplicas": spec["maxReplicaCount"],
}
hpa["spec"] |= scaling  # as KEDA makes it, but for its metrics
kubernetes_validate.validate(hpa, "1.35", strict=True)
window = scaling["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
assert window == 600

# Of the two replicas the busier cannot be scraped: the sum is too small, and no error.
[group] = yaml.safe_load(Path("alerts.yaml").read_text())["groups"]
[alert] = group["rules"]
patience = 60 * int(alert["for"].removesuffix("m"))
partial = scrape | {("llm", "chat", "a"): None}
total_partial = evaluate(signal["query"], partial)
want_partial = external(2, total_partial, TARGET)
others = {key: gauges for key, gauges in scrape.items() if key[:2] != ("llm", "chat")}
assert total_partial == 100 and want_partial == 2 < want
assert fires(alert["expr"], partial) and not fires(alert["expr"], scrape)
assert fires(alert["expr"], others)  # no replica of the model is known any more
print(
    f"{total} in flight on 2 replicas, {TARGET:.0f} each: {want:.0f} replicas; KV guard: {want_guard:.0f}"
)
print(f"one cannot be scraped: {total_partial} in flight, {want_partial:.0f} replicas")

# %% name="start-up"
from transformer_costs import accelerator, transformer

SMALL, LARGE = transformer("llama_3_1_8b"), transformer("llama_3_1_70b")
bytes_8b, bytes_70b = 2 * SMALL.parameters, 2 * LARGE.parameters
CLOUD = 120 + 30  # seconds for node and image, assumed
# vLLM 0.10.1.1, Llama 2 7B on an A100, compile cache warm: all but the weights.
ENGINE = 44.95 - 7.58
# Bytes a second: Llama 3 8B from a GP3 SSD, one reader or sixteen.
PLAIN, STREAMED = 16.06e9 / 47.99, 16.06e9 / 14.34
ways = {
    "cold node": (CLOUD, PLAIN),
    "node and image in place": (0, PLAIN),
    "+ weights streamed": (0, STREAMED),
}
rows = []
for wait, rate in ways.values():
    small, large = bytes_8b / rate, bytes_70b / rate
    rows.append((small, wait + small + ENGINE, large, wait + large + ENGINE))
columns = ["8B weights [s]", "8B in all [s]", "70B weights [s]", "70B in all [s]"]
starts = pd.DataFrame(rows, index=list(ways), columns=columns)
startup, startup_held, startup_fast = starts["8B in all [s]"]
large, _, large_fast = starts["70B in all [s]"]
weights_large = starts.loc["cold node", "70B weights [s]"]
at_1_gb = bytes_70b / 1e9
assert startup_fast < startup / 4 and large_fast < large / 3 and 140 < at_1_gb < 142
# The least for node and image with which the fast way takes less than a quarter.
cloud_needed = 4 * startup_fast - startup_held
assert weights_large > large / 2 and startup_held < cloud_needed < CLOUD
assert startup < patience < window  # the alert waits for a start, not for the window
starts.round().astype(int)

# %% name="service"
from fleet import FULL_RATE, SLOTS, STEP_OF_1, TOKENS, answer_seconds, step_seconds

read = bytes_8b / (0.7 * accelerator("h100_sxm").bandwidth)  # the weights, once a step
full, at_target = answer_seconds(SLOTS), answer_seconds(TARGET)
headroom = FULL_RATE / (TARGET / at_target)
growth_share, read_ms = headroom - 1, 1e3 * read
unnoticed = 1.1 * TARGET  # inside the tolerance
growth_unnoticed = FULL_RATE / (unnoticed / answer_seconds(unnoticed)) - 1
kv_gb = SLOTS * TOKENS * SMALL.kv_bytes() / 1e9
full_ms, mean_context = 1e3 * step_seconds(SLOTS), TOKENS // 2
longer = SLOTS * (mean_context - 132) * SMALL.kv_bytes()  # bytes of cache more
longer /= 0.7 * accelerator("h100_sxm").bandwidth
assert 0.85 < read_ms / 7.37 < 1.15 and 1.1 < headroom < 1.25
assert abs(full_ms - (11.84 + 1e3 * longer)) < 1e-6 and 17.5 < full_ms < 18.5
assert kv_gb < 0.92 * 80 - bytes_8b / 1e9
assert 0.08 < growth_unnoticed < growth_share - 0.03
print(f"step of 1: {1e3 * STEP_OF_1} ms measured, {read_ms:.2f} ms to read the weights")
print(f"a full replica answers {headroom:.2f} times as fast as one at the target")

# %% name="scale-to-zero"
import numpy as np
from fleet import scale_to_zero

rng, rows = np.random.default_rng(2), {}
idle = 300  # KEDA's default cool-down, seconds
for per_hour in (1, 4, 12, 30):
    rate = per_hour / 3600
    exact_off = 1 / (rate * startup + np.exp(rate * idle))
    exact_cold = exact_off * (1 + rate * startup)
    requests = rng.exponential(1 / rate, 40_000).cumsum()
    off, cold = scale_to_zero(requests, startup, idle)
    assert abs(off - exact_off) < 0.02 and abs(cold - exact_cold) < 0.02
    rows[per_hour] = (off, exact_off, cold, exact_cold)
# Nobody at night: 30 requests an hour from nine to six, none in the other hours.
times = rng.exponential(120, 40_000).cumsum()
worked = times // (9 * 3600) * 86400 + times % (9 * 3600)
office = {wait: scale_to_zero(worked, startup, wait) for wait in (idle, 1800)}
(office_saved, office_cold), (office_saved_long, office_cold_long) = office.values()
assert abs(office_saved_long - (15 - 1800 / 3600) / 24) < 0.01  # hours of the day
assert office_saved > office_saved_long and office_cold_long < 0.02 < office_cold
zero_saved_1, _, zero_cold_1, _ = rows[1]
zero_saved_12, _, zero_cold_12, _ = rows[12]
columns = ["time saved", "formula", "requests that wait", "formula "]
table = pd.DataFrame(rows, index=columns).T.rename_axis("requests an hour")
assert (table["time saved"] < table["requests that wait"]).all()
assert (
    0.8 < zero_saved_1 < 0.9 < zero_cold_1 and zero_saved_12 < 0.3 < 0.5 < zero_cold_12
)
table.map("{:.1%}".format)

# %% name="draining"
# Answer lengths: lognormal, and of the same mean as everywhere.
lengths = np.random.default_rng(3).lognormal(np.log(TOKENS) - 0.5, 1.0, 400_000)
life = lengths * at_target / TOKENS
names = ["Kubernetes' default", "spot notice on AWS", "ten minutes"]
seconds = pd.Series([30, 120, 600], index=names)
# Of the streams that run at a random moment, the share with longer than that to go.
cut = seconds.map(lambda limit: np.maximum(life - limit, 0).mean() / life.mean())
cut_30, cut_120, cut_600 = cut
assert abs(lengths.mean() / TOKENS - 1) < 0.01
assert cut_30 > 0.2 > 0.1 > cut_120 > 0.01 > cut_600
table = {"seconds": seconds, "streams cut": cut, "cut on a replica": cut * TARGET}
pd.DataFrame(table).round(3)

# %% name="packing"
from fleet import place

GPUS = 4
small = [1, 2] * 13 + [1]  # pods of one or two GPUs, on 8 nodes of 8
spread, packed = place(small, pack=False), place(small, pack=True)
fit_spread, fit_packed = int((spread // GPUS).sum()), int((packed // GPUS).sum())
idle_gpus = int(spread.sum())
assert idle_gpus == packed.sum() and fit_packed == idle_gpus // GPUS
assert fit_packed > 2 * fit_spread > 0
print(f"{idle_gpus} of 64 GPUs free; room for {GPUS}-GPU replicas:", end=" ")
print(f"{fit_spread} when spread, {fit_packed} when packed")

# %% name="route"
from fleet import evenly, in_flight, least_outstanding, scale_on, simulate, surge

SEEDS, BUSY, RISE, BEGIN = 5, 10, 0.8, 160  # BEGIN: step of the rise
arrivals, known = surge(SEEDS, RISE, BUSY)
reactive = scale_on(in_flight, TARGET)


def late_since(log: dict, arrivals, minutes: int = 40):
    """Share of late requests in so many minutes from the rise on, by seed."""
    shown = slice(BEGIN, BEGIN + 8 * minutes)
    return log["late"][shown].sum(axis=0) / arrivals[shown].sum(axis=0)


def run(seconds: float, arrivals, **settings) -> dict:
    rules, hpa = {"in flight": reactive}, Hpa(scaling)
    return simulate(arrivals, rules, seconds, hpa, BUSY, **settings)["in flight"]


steady, _ = surge(SEEDS, 0.0, BUSY)
gone = {"taken": (1200, 5)}  # replicas taken back in the minute of the rise
least, even = (run(startup, arrivals, route=r) for r in (least_outstanding, evenly))
slow, fast = (run(seconds, steady, **gone) for seconds in (startup, startup_fast))
shares = {
    "least outstanding": late_since(least, arrivals),
    "evenly": late_since(even, arrivals),
    "5 taken, slow start": late_since(slow, steady, 10),
    "5 taken, fast start": late_since(fast, steady, 10),
}
route = pd.DataFrame(
    {name: (s.mean(), s.min(), s.max()) for name, s in shares.items()},
    index=["late", "lowest", "highest"],
).T
late_least, late_even, taken_slow, taken_fast = route["late"]
spare, kept = (log["wanted"][BEGIN - 1].mean() for log in (fast, least))
stranded_least, stranded_even = (log["stranded"].max(axis=0) for log in (least, even))
stranded_mean = stranded_even.mean()
assert route.loc["evenly", "lowest"] > route.loc["least outstanding", "highest"]
assert 0.05 < late_least < late_even / 1.2 < 0.15
assert (stranded_even > 4 * stranded_least).all() and stranded_even.min() > 1000
assert 2000 < stranded_mean < 3000
assert route.loc["5 taken, slow start", "lowest"] > 0.05
assert 0.25 < taken_slow < 0.4 and taken_fast < 0.001
assert route.loc["5 taken, fast start", "highest"] < 0.01 and 11 < kept < spare + 1 < 16
route.map("{:.1%}".format)

# %% name="sweep-start-up" tags=["sweep"] flips="break_even"
from fleet import MOST, forecast, largest

STARTS, LOW = (30, 60, 90, 120, 180, 240, 360, 480, 600), 40
late, peaks, paid = {}, {}, {}
for seconds in STARTS:
    rules = {
        "in flight": reactive,
        "lower target": scale_on(in_flight, LOW),
        "with forecast": largest(reactive, forecast(known, seconds, TARGET)),
    }
    logs = simulate(arrivals, rules, seconds, Hpa(scaling), BUSY)
    late[seconds] = {name: late_since(log, arrivals) for name, log in logs.items()}
    peaks[seconds] = {name: log["wanted"].max(axis=0) for name, log in logs.items()}
    paid[seconds] = {name: log["held"].mean() for name, log in logs.items()}
sweep = pd.DataFrame(
    {s: {n: 100 * v.mean() for n, v in row.items()} for s, row in late.items()}
).T
sweep = sweep.add_prefix("late, ").add_suffix(" [%]").rename_axis("start-up [s]")
# The shortest at which every seed has more than one request in a hundred late.
break_even = min(s for s in STARTS if late[s]["in flight"].min() > 0.01)
late_600 = late[600]["in flight"].mean()
safe = max(
    late[s][name].max() for s in STARTS for name in ("lower target", "with forecast")
)
overshoot, modest = peaks[240]["in flight"].mean(), peaks[30]["in flight"].mean()
needed = known.max() * at_target / TARGET
extra = paid[240]["lower target"] / paid[240]["with forecast"] - 1
flips = {}
for rise in (0.3, 1.2):
    load, _ = surge(SEEDS, rise, BUSY)
    bad = [s for s in STARTS if late_since(run(s, load), load).min() > 0.01]
    flips[rise] = min(bad, default=None)
flip_high = flips[1.2]
assert flips[0.3] is None and flip_high < break_even
assert (late[break_even]["in flight"] > 0.01).all()  # in every seed
assert 60 < break_even < 240 and sweep.iloc[:, 0].is_monotonic_increasing
assert safe < 0.01 < 0.15 < late_600 and LOW < TARGET / 2
assert abs(needed - (1 + RISE) * BUSY) < 0.1  # ten replicas at the target, and 80% more
assert (peaks[240]["in flight"] == MOST).all()
assert overshoot > 1.7 * needed and modest < 1.5 * needed and extra > 0.2
sweep.round(2)

# %% name="policies"
from fleet import hold, per_pod, replicas_for, summary, traffic

arrivals, yesterday = traffic(SEEDS)
rules = {
    "queue length at 5": scale_on(lambda s: s.waiting, 5),
    "KV cache at 70%": scale_on(lambda s: s.running / SLOTS, TARGET / SLOTS),
    # A replica with any sequence is busy all the time, as the engine above.
    "GPU busy at 80%": per_pod(lambda s: np.minimum(s.running, s.ready), 0.8),
    "in flight": reactive,
    "forecast": forecast(yesterday, startup, TARGET, headroom=1.1),
}
rules["forecast or in flight"] = largest(rules["forecast"], reactive)
for cores in (1, 2, 4):
    # Assumed: one core, and 1% of a core for each stream; requested are these cores.
    rules[f"CPU at 60% of {cores}"] = per_pod(
        lambda s, cores=cores: (s.ready + 0.01 * s.running) / cores, 0.6
    )


def with_window(seconds: int) -> Hpa:
    """The manifest with another window; its rate policy stays."""
    down = scaling["behavior"]["scaleDown"] | {"stabilizationWindowSeconds": seconds}
    return Hpa(scaling | {"behavior": {"scaleDown": down}})


mean_of_peak = (yesterday.mean(axis=0) / yesterday.max(axis=0)).mean()
peak = replicas_for(yesterday.max(axis=0), TARGET, headroom=1.2)
logs = (
    simulate(arrivals, {"fixed, peak + 20%": hold}, startup, begin=peak)
    | simulate(arrivals, {"in flight, no window": reactive}, startup, with_window(0))
    | simulate(arrivals, {"in flight, 60 s window": reactive}, startup, with_window(60))
    | simulate(arrivals, rules, startup, Hpa(scaling))
)

# %% name="claims"
days = {name: summary(arrivals, log) for name, log in logs.items()}
means = pd.DataFrame({name: day.mean() for name, day in days.items()}).T
worst = {name: day["late"].max() for name, day in days.items()}
best = {name: day["late"].min() for name, day in days.items()}
hours, late, turns = means["replica-hours"], means["late"], means["reversals"]
hours_fixed, hours_flight = hours["fixed, peak + 20%"], hours["in flight"]
hours_both, hours_alone = hours["forecast or in flight"], hours["forecast"]
late_fixed, late_flight, late_queue = late[
    ["fixed, peak + 20%", "in flight", "queue length at 5"]
]
late_both, late_alone = late["forecast or in flight"], late["forecast"]
late_low, late_high = best["in flight"], worst["in flight"]
turns_flight, turns_none = turns["in flight"], turns["in flight, no window"]
turns_short, hours_short = (x["in flight, 60 s window"] for x in (turns, hours))
late_short, short_saves = late["in flight, 60 s window"], 1 - hours_short / hours_flight
turns_queue, hours_none = turns["queue length at 5"], hours["in flight, no window"]
late_cpu, removed = late["CPU at 60% of 4"], means.loc["in flight", "removed"]
saved, window_cost = 1 - hours_flight / hours_fixed, hours_flight / hours_none - 1
# A fleet that followed the load exactly would save the most.
assert 0.4 < saved < 1 - mean_of_peak / 1.2 < 0.75
assert late_fixed < 0.0005 and late_low < late_flight < late_high < 0.01
assert abs(hours_fixed - 24 * peak.mean()) < 1e-6
# A removed replica is paid for until it is empty.
assert (logs["in flight"]["held"] >= logs["in flight"]["wanted"]).all()
assert hours_alone < hours_flight < hours_both < 1.05 * hours_flight
assert 0.05 < late_alone < 0.1 and 0.05 < late_queue < 0.12
change = np.diff(logs["in flight"]["wanted"], axis=0)
assert removed == -change[change < 0].sum() / SEEDS and 2 * turns_flight < removed < 100
assert best["queue length at 5"] > 5 * late_high and turns_queue > 2 * turns_flight
assert hours["queue length at 5"] > 1.5 * hours_flight
assert hours["GPU busy at 80%"] > 1.5 * hours_fixed
assert hours["CPU at 60% of 1"] > 1.5 * hours_fixed and late_cpu > 0.5
assert hours["CPU at 60% of 2"] > 1.1 * hours_fixed
assert turns_none > 3 * turns_flight and 0.02 < window_cost < 0.2
# Shorter than a start-up: a little cheaper, as late, far more reversals.
late_none = late["in flight, no window"]
assert turns_none > 1.2 * turns_short > 2.4 * turns_flight
lates = late_none, late_short, late_flight
late_apart = max(lates) - min(lates)
assert late_apart < 0.0003 < min(lates) / 10
assert 0.02 < short_saves < 0.15
assert late["KV cache at 70%"] > 1.5 * late_flight
assert best["forecast"] > 2 * late_high and late_flight / 2 < late_both < late_flight
better = days["forecast or in flight"]["late"] < days["in flight"]["late"]
days_better = int(better.sum())
assert (
    days_better > 0
    and (days["forecast or in flight"]["late"] <= days["in flight"]["late"]).all()
)
# Every GPU busy, a target of 95%: inside the tolerance for ever.
assert desired_replicas(10, 10, 1.0, 0.95) == 10
shown = means[["replica-hours", "reversals"]].map("{:,.0f}".format)
shown["late"] = late.map("{:.2%}".format)
shown["worst day"] = pd.Series(worst).map("{:.2%}".format)
shown

# %% name="day-figure" tags=["hide-input"]
import matplotlib.pyplot as plt
from fleet import STEP

# The day with the highest spike, one point a minute.
seed, minute = int(np.argmax(arrivals.max(axis=0))), round(60 / STEP)
assert arrivals[:, seed].max() == arrivals.max()
load = pd.Series(arrivals[:, seed] / STEP * at_target / TARGET)
clock = np.arange(0, 24, 1 / 60)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
need = load.rolling(3 * minute, min_periods=1).mean()[::minute]
ax.fill_between(clock, need, alpha=0.25, label="needed at the target batch")
styles = {"forecast": "--", "in flight": "-", "queue length at 5": ":"}
for name, style in styles.items():
    ready = logs[name]["ready"][::minute, seed]
    ax.plot(clock, ready, style, linewidth=1.3, label=name)
ax.set(xlabel="hour of the day", ylabel="ready replicas")
ax.set(xticks=range(0, 25, 4), ylim=(0, 42))
ax.legend(fontsize="small")
plt.show()

# %% name="signals"
import asyncio

import httpx
from language_model import Engine

ENGINE_SLOTS, OFFERED = 4, (1, 2, 4, 6, 12)  # requests, none of which ends


async def gauges(engine: Engine, requests: int) -> tuple[int, int]:
    """Of the engine: running and waiting, once they are so many, or after ten seconds."""
    for _ in range(500):
        await asyncio.sleep(0.02)
        values = engine.metrics()
        running, waiting = values["requests_processing"], values["requests_deferred"]
        if running + waiting == requests:
            break
    return int(running), int(waiting)


async def watch(engine: Engine, client: httpx.AsyncClient) -> dict[int, tuple]:
    body = {"prompt": "Once", "n_predict": 900, "ignore_eos": True}
    tasks, seen = [], {}
    for offered in OFFERED:
        while len(tasks) < offered:
            tasks.append(asyncio.create_task(client.post("/completion", json=body)))
        seen[offered] = await gauges(engine, offered)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return seen


with Engine(slots=ENGINE_SLOTS, cache_ram_mib=0, n_threads_http=24) as engine:
    settings = {"base_url": engine.address, "timeout": 60, "trust_env": False}
    async with httpx.AsyncClient(**settings) as client:
        seen = await watch(engine, client)
signals = pd.DataFrame(seen, index=["running", "waiting"]).T.rename_axis("requests")
signals["busy"] = (signals["running"] > 0).astype(int)
signals["in flight"] = signals["running"] + signals["waiting"]
assert signals["running"].tolist() == [1, 2, 4, 4, 4]  # capped at the slots
assert signals["waiting"].tolist() == [0, 0, 0, 2, 8]  # silent until they are full
assert (signals["in flight"] == signals.index).all() and signals["busy"].eq(1).all()
signals
