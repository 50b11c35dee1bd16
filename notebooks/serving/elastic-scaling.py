# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何实现弹性伸缩？ · How do you scale elastically?
#
# 先用官方例子核对 HPA 规则的实现，再让九种策略跑同样的二十天流量，比较副本小时、超时与抖动；另算冷启动、缩到零、排空与 GPU 装箱。
#
# Checks an implementation of the HPA rule against the official examples, then runs nine policies on the same twenty days and compares replica-hours, late requests and flapping; also cold start, scale to zero, draining and GPU packing.

# %% name="rule-check"
import pandas as pd
from hpa import Hpa, desired_replicas, follow, per_minute

limits = [per_minute("Pods", 4), per_minute("Percent", 10)]
down = {"scaleDown": {"stabilizationWindowSeconds": 0, "policies": limits}}
up = {"scaleUp": {"policies": [per_minute("Percent", 700)]}}
shrink = follow(down, current=80, desired=10, minutes=16)
held = follow({}, current=20, desired=5, minutes=7).index(5)
capped = follow(up, current=3, desired=60, minutes=1)[0]
examples = [
    ("docs: 4 pods, 200m against 100m", 8, desired_replicas(4, 4, 200, 100)),
    ("docs: 4 pods, 50m against 100m", 2, desired_replicas(4, 4, 50, 100)),
    ("docs: 4 pods, inside the 10% tolerance", 4, desired_replicas(4, 4, 109, 100)),
    ("docs: 80 to 10, after one minute", 72, shrink[0]),
    ("docs: 80 to 10, after two minutes", 64, shrink[1]),
    ("docs: 80 to 10, last step below 40", 4, shrink[6] - shrink[7]),
    ("docs: default window, minutes held", 5, held),
    ("test: 1 of 3 not ready, 60% against 30%", 4, desired_replicas(3, 2, 60, 30)),
    ("test: 2 of 4 measured, 24.75%", 3, desired_replicas(4, 2, 24.75, 100)),
    ("test: at most 700% a minute from 3", 24, capped),
]
checked = pd.DataFrame(examples, columns=["example", "published", "here"])
assert (checked["published"] == checked["here"]).all() and shrink[-1] == 10
checked.astype({"here": int})

# %% name="manifests"
from pathlib import Path

import kubernetes_validate
import yaml

texts = [Path(name).read_text() for name in ("autoscaling.yaml", "headroom.yaml")]
documents = [doc for text in texts for doc in yaml.safe_load_all(text)]
for doc in documents:
    kubernetes_validate.validate(doc, "1.35", strict=True)

typo = next(yaml.safe_load_all(texts[0].replace("stabiliz", "stabilis")))
# Not strict: accepted, and the window silently stays at 300 s.
kubernetes_validate.validate(typo, "1.35")
try:
    kubernetes_validate.validate(typo, "1.35", strict=True)
    caught = ""
except kubernetes_validate.ValidationError as error:
    caught = error.message
assert "stabilisationWindowSeconds" in caught
print(f"{len(documents)} objects valid; strict check of the misspelt field: {caught}")

spec, placeholder = documents[0]["spec"], documents[3]["spec"]["template"]["spec"]
target = int(spec["metrics"][0]["pods"]["target"]["averageValue"])
window = spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
gpus = int(placeholder["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])

# %% name="start-up"
# Assumed seconds; 140 GB of bf16 weights on 4 GPUs.
# The engine compiles kernels, captures graphs and warms up.
starts = pd.DataFrame(
    {
        "cold node, object store at 1 GB/s": (90, 30, 140 / 1, 70),
        "placeholder pod holds the node": (0, 0, 140 / 1, 70),
        "+ weights streamed at 5 GB/s": (0, 0, 140 / 5, 70),
        "+ compiled kernels cached": (0, 0, 140 / 5, 20),
    },
    index=["node", "image", "weights", "engine"],
).T.astype(int)
starts["total (s)"] = starts.sum(axis=1)
startup, startup_held, _, startup_fast = starts["total (s)"]
assert window > startup > 4 * startup_fast
# Seconds without a replica after the two minutes' notice that AWS gives.
gap = startup - 120
starts

# %% name="queue-check"
import numpy as np
from fleet import DAY, SLOTS, STEP, answer_seconds, hold, late_share, simulate, summary

pods, load = 4, 0.96
rate = load * pods * SLOTS / answer_seconds(SLOTS)
late_exact = late_share(rate, pods)
steady = np.random.default_rng(1).poisson(rate * STEP, (DAY // STEP, 30))
steady_log = simulate(steady, {"fixed": hold}, startup, begin=pods)["fixed"]
late_simulated = summary(steady, steady_log)["late"].mean()
# 5-second steps are coarse.
assert abs(late_simulated / late_exact - 1) < 0.35
print(f"late: {late_exact:.1%} exact, {late_simulated:.1%} simulated")

# %% name="policies"
from fleet import forecast, largest, per_pod, replicas_for, traffic

DAYS = 20
arrivals, yesterday = traffic(np.random.default_rng(1), DAYS)

# Signals of one replica, from its running and waiting requests.
signals = {
    # One core plus 3% of a core for each stream, of eight requested.
    "CPU at 60%": (lambda running, waiting: (1 + 0.03 * running) / 8, 0.6),
    # The share of time a kernel runs: nearly all of it from three streams up.
    "GPU busy at 80%": (lambda running, waiting: 1 - np.exp(-running), 0.8),
    "queue length at 5": (lambda running, waiting: waiting, 5),
    "KV cache at 69%": (
        lambda running, waiting: np.minimum(running / SLOTS, 1),
        target / SLOTS,
    ),
    "in flight": (lambda running, waiting: running + waiting, target),
}
rules = {name: per_pod(metric, goal) for name, (metric, goal) in signals.items()}
ahead = forecast(yesterday, startup, target, headroom=1.1)
rules |= {
    "forecast": ahead,
    "forecast or in flight": largest(ahead, rules["in flight"]),
}
nervous = {"in flight, no window": rules["in flight"]}
no_window = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": 0}}}
peak = replicas_for(yesterday.max(axis=0), target, headroom=1.2)
logs = (
    simulate(arrivals, {"fixed, peak + 20%": hold}, startup, begin=peak)
    | simulate(arrivals, nervous, startup, Hpa(spec | no_window))
    | simulate(arrivals, rules, startup, Hpa(spec))
)

# %% name="replay"
days = {name: summary(arrivals, log) for name, log in logs.items()}
means = pd.DataFrame({name: day.mean() for name, day in days.items()}).T
means["worst day"] = [day["late"].max() for day in days.values()]
counts = means[["replica-hours", "changes", "reversals"]].map("{:,.0f}".format)
counts.join(means[["late", "worst day"]].map("{:.2%}".format))

# %% name="claims"
# Unpacked in the order of the table.
hours, late, turns = means["replica-hours"], means["late"], means["reversals"]
hours_fixed, hours_nervous, _, hours_gpu, hours_queue = hours.iloc[:5]
hours_manifest, hours_alone, hours_both = hours.iloc[-3:]
late_fixed, late_nervous, late_cpu, _, late_queue, late_kv = late.iloc[:6]
late_manifest, late_alone, late_both = late.iloc[-3:]
turns_nervous, turns_queue = turns[["in flight, no window", "queue length at 5"]]
turns_manifest, removed = means.loc["in flight", ["reversals", "removed"]]
saved = 1 - hours_manifest / hours_fixed
better = days["forecast or in flight"]["late"] < days["in flight"]["late"]
paired = int(better.sum())

assert saved > 0.5 and late_fixed < 0.001 and late_manifest < 0.01
assert late_cpu > 0.3 and hours_gpu > 1.3 * hours_fixed
assert late_queue > 0.1 and hours_queue > 1.5 * hours_manifest
assert turns_nervous > 4 * turns_manifest and late_nervous > 1.5 * late_manifest
assert abs(hours_nervous / hours_manifest - 1) < 0.03
assert late_manifest < late_kv < 3 * late_manifest
assert late_alone > 2 * late_manifest > 2.4 * late_both and paired > 12
# Every GPU busy, a target of 95%: inside the tolerance for ever.
assert desired_replicas(10, 10, 1.0, 0.95) == 10

# %% name="day-figure" tags=["hide-input"]
import matplotlib.pyplot as plt

# The day with the highest spike, one point a minute.
shown, minute = int(np.argmax(arrivals.max(axis=0))), 60 // STEP
busy = arrivals[:, shown] / STEP * answer_seconds(target)
need = pd.Series(busy / target).rolling(180 // STEP, min_periods=1).mean()
clock = np.arange(0, 24, 1 / 60)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.fill_between(clock, need[::minute], alpha=0.25, label="needed at the target batch")
styles = {"forecast": "--", "in flight": "-", "queue length at 5": ":"}
for name, style in styles.items():
    ready = logs[name]["ready"][::minute, shown]
    ax.plot(clock, ready, style, linewidth=1.3, label=name)
ax.set(xlabel="hour of the day", ylabel="ready replicas")
ax.set(xticks=range(0, 25, 4), ylim=(0, 42))
ax.legend(fontsize="small")
plt.show()

# %% name="frontier"
# Two worlds side by side, ten columns each.
half = DAYS // 2
habit = traffic(np.random.default_rng(4), half, daily=True)
worlds = ["spike at an unknown hour", "the same spike at nine every day"]
today = np.hstack([arrivals[:, :half], habit[0]])
before = np.hstack([yesterday[:, :half], habit[1]])
settings = {
    f"in flight, start-up {startup} s": (startup, False),
    f"+ forecast, start-up {startup} s": (startup, True),
    f"in flight, start-up {startup_fast} s": (startup_fast, False),
}
results = []
for setting, (seconds, look_ahead) in settings.items():
    choices = {}
    for goal in (16, 20, 24, 28):
        reactive = per_pod(lambda running, waiting: running + waiting, goal)
        predicted = forecast(before, seconds, goal, headroom=1.0)
        choices[goal] = largest(reactive, predicted) if look_ahead else reactive
    for goal, log in simulate(today, choices, seconds, Hpa(spec)).items():
        day = summary(today, log)[["replica-hours", "late"]]
        labels = {"world": np.repeat(worlds, half), "setting": setting, "target": goal}
        results.append(day.assign(**labels))
keys = ["world", "setting", "target"]
frontier = pd.concat(results).groupby(keys, sort=False).mean().reset_index()

at_24 = frontier[frontier["target"] == 24]
late_cold, habit_cold, late_ahead, habit_ahead, late_fast, habit_fast = at_24["late"]
# A forecast knows only what repeats; a fast start helps in both worlds.
assert late_ahead > late_cold / 2 and habit_ahead < habit_cold / 5
assert late_fast < late_cold / 15 and habit_fast < habit_cold / 15
assert np.ptp(at_24["replica-hours"]) < 0.1 * at_24["replica-hours"].max()

# %% name="frontier-figure" tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5), layout="constrained", sharey=True)
for ax, world in zip(axes, worlds):
    for setting, style in zip(settings, ("o-", "s--", "^:")):
        curve = frontier.query("world == @world and setting == @setting")
        percent = 100 * curve["late"].clip(lower=1e-5)
        ax.plot(curve["replica-hours"], percent, style, label=setting)
    ax.set(title=world, xlabel="replica-hours a day", yscale="log")
axes[0].set(ylabel="late requests (%), floor 0.001")
axes[1].legend(fontsize="small", loc="center right")
plt.show()

# %% name="scale-to-zero"
from fleet import scale_to_zero

rng, rows = np.random.default_rng(2), {}
# KEDA's default cool-down, seconds.
idle = 300
for per_hour in (1, 4, 12, 30):
    rate = per_hour / 3600
    exact_off = 1 / (rate * startup + np.exp(rate * idle))
    exact_cold = exact_off * (1 + rate * startup)
    requests = rng.exponential(1 / rate, 40_000).cumsum()
    off, cold = scale_to_zero(requests, startup, idle)
    assert abs(off - exact_off) < 0.02 and abs(cold - exact_cold) < 0.02
    rows[per_hour] = (off, exact_off, cold, exact_cold)
zero_saved_1, _, zero_cold_1, _ = rows[1]
zero_saved_12, _, zero_cold_12, _ = rows[12]
columns = ["time saved", "formula", "requests that wait", "formula "]
table = pd.DataFrame(rows, index=columns).T.rename_axis("requests an hour")
table.map("{:.1%}".format)

# %% name="draining"
from fleet import TOKENS

# Answer lengths: lognormal, and 800 tokens on average like everywhere.
rng = np.random.default_rng(3)
lengths = rng.lognormal(np.log(TOKENS) - 0.5, 1.0, 400_000)
life = lengths * answer_seconds(target) / TOKENS
names = ["Kubernetes' default", "spot notice on AWS", "ten minutes"]
seconds = pd.Series([30, 120, 600], index=names)
# Of the streams that run at a random moment, the share with longer than that to go.
cut = seconds.map(lambda limit: np.maximum(life - limit, 0).mean() / life.mean())
cut_30, cut_120, cut_600 = cut
cut_a_day = removed * target * cut_30
assert cut_30 > 0.25 > 0.15 > cut_120 > 0.01 > cut_600
table = {"seconds": seconds, "streams cut": cut, "cut on a replica": cut * target}
pd.DataFrame(table).round(3)

# %% name="packing"
from fleet import place

# Pods of one or two GPUs, on 8 nodes of 8.
small = [1, 2] * 13 + [1]
spread, packed = place(small, pack=False), place(small, pack=True)
fit_spread, fit_packed = int((spread // gpus).sum()), int((packed // gpus).sum())
idle_gpus = int(spread.sum())
assert idle_gpus == packed.sum() and fit_packed >= 2 * fit_spread
print(f"{idle_gpus} of 64 GPUs free; room for {gpus}-GPU replicas:", end=" ")
print(f"{fit_spread} when spread, {fit_packed} when packed")
