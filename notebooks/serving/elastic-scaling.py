# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何实现弹性伸缩？ · How do you scale elastically?
#
# 先用官方例子核对 HPA 规则的实现，再让十种策略跑同样的二十天流量，比较副本小时、超时与抖动；另算冷启动、缩到零、排空与 GPU 装箱。
#
# Checks an implementation of the HPA rule against the official examples, then runs ten policies on the same twenty days and compares replica-hours, late requests and flapping; also cold start, scale to zero, draining and GPU packing.

# %% name="rule-check"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from fleet import (
    DAY,
    SLOTS,
    STEP,
    TOKENS,
    answer_seconds,
    late_share,
    place,
    replicas_for,
    scale_to_zero,
    simulate,
    summary,
    traffic,
)
from hpa import Hpa, desired_replicas, follow, per_pod

down = [
    {"type": "Pods", "value": 4, "periodSeconds": 60},
    {"type": "Percent", "value": 10, "periodSeconds": 60},
]
fast = {"stabilizationWindowSeconds": 0, "policies": down}
shrink = follow({"scaleDown": fast}, 80, 10, 16)
cap = follow(
    {"scaleUp": {"policies": [{"type": "Percent", "value": 700, "periodSeconds": 60}]}},
    3,
    60,
    1,
)
examples = [
    ("docs: 200m against 100m doubles", 8, desired_replicas(4, 4, 200, 100)),
    ("docs: 50m against 100m halves", 2, desired_replicas(4, 4, 50, 100)),
    ("docs: within 10% nothing happens", 4, desired_replicas(4, 4, 109, 100)),
    ("docs: 80 to 10, first two minutes", [72, 64], shrink[:2]),
    ("docs: below 40, four at a time", 4, shrink[6] - shrink[7]),
    ("docs: default window of 300 s, minutes held", 5, follow({}, 20, 5, 7).index(5)),
    ("test: 1 of 3 pods not ready, 60% against 30%", 4, desired_replicas(3, 2, 60, 30)),
    (
        "test: 2 of 4 pods measured, 24.75% against 100%",
        3,
        desired_replicas(4, 2, 24.75, 100),
    ),
    ("test: at most 700% a minute from 3", 24, cap[0]),
]
assert all(expected == ours for _, expected, ours in examples) and shrink[-1] == 10, (
    examples
)
pd.DataFrame(
    [
        (name, published, ours if isinstance(ours, list) else int(ours))
        for name, published, ours in examples
    ],
    columns=["published example", "published", "this implementation"],
)

# %% name="manifests"
from pathlib import Path

import kubernetes_validate
import yaml

texts = [Path(name).read_text() for name in ("autoscaling.yaml", "headroom.yaml")]
documents = [doc for text in texts for doc in yaml.safe_load_all(text)]
spec, placeholder = documents[0]["spec"], documents[3]["spec"]["template"]["spec"]
for doc in documents:
    kubernetes_validate.validate(doc, "1.35", strict=True)
typo = next(yaml.safe_load_all(texts[0].replace("stabiliz", "stabilis")))
kubernetes_validate.validate(
    typo, "1.35"
)  # not strict: accepted, and the window silently stays at 300 s
try:
    kubernetes_validate.validate(typo, "1.35", strict=True)
    caught = ""
except kubernetes_validate.ValidationError as error:
    caught = error.message
assert "stabilisationWindowSeconds" in caught
target = int(spec["metrics"][0]["pods"]["target"]["averageValue"])
window = spec["behavior"]["scaleDown"]["stabilizationWindowSeconds"]
gpus = int(placeholder["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])
assert (
    target < SLOTS and spec["minReplicas"] < spec["maxReplicas"] and window <= 3600
)  # the API's own limit
print(f"{len(documents)} objects valid; strict check of the misspelt field: {caught}")

# %% name="start-up"
# Assumed: 140 GB of bf16 weights on 4 GPUs. Seconds for node, image, weights, engine (compile, capture graphs, warm up).
paths = {
    "cold node, object store at 1 GB/s": (90, 30, 140 / 1, 70),
    "placeholder pod holds the node": (0, 0, 140 / 1, 70),
    "+ weights streamed at 5 GB/s": (0, 0, 140 / 5, 70),
    "+ compiled kernels cached": (0, 0, 140 / 5, 20),
}
starts = pd.DataFrame(paths, index=["node", "image", "weights", "engine"]).T
starts["total (s)"] = starts.sum(axis=1)
startup, startup_held, startup_streamed, startup_fast = (
    int(s) for s in starts["total (s)"]
)
assert startup > 4 * startup_fast and window > startup
starts.round().astype(int)

# %% name="queue-check"
pods, load = 4, 0.96
rate = load * pods * SLOTS / answer_seconds(SLOTS)  # req/s, constant
late_exact = late_share(rate, pods)  # birth-death chain, see fleet.py
steady = np.random.default_rng(1).poisson(rate * STEP, (DAY // STEP, 30))
late_simulated = summary(
    steady, simulate(steady, lambda *state: np.full(30, float(pods)), startup)
)["late"].mean()
assert abs(late_simulated / late_exact - 1) < 0.35  # 5-second steps are coarse
print(
    f"late at {load:.0%} load: {late_exact:.1%} exactly, {late_simulated:.1%} simulated"
)

# %% name="policies"
DAYS = 20
arrivals, yesterday = traffic(np.random.default_rng(1), DAYS)


def scaled(*rules, behavior: dict = spec["behavior"], columns: int = DAYS):
    """The HPA takes the largest recommendation, then applies windows and limits."""
    hpa = Hpa(spec | {"behavior": behavior})
    return lambda now, wanted, *state: (
        np.full(columns, 10.0)
        if wanted is None
        else hpa.step(
            now,
            wanted,
            np.maximum.reduce([rule(now, wanted, *state) for rule in rules]),
        )
    )


def forecast(rates, seconds: int, headroom: float, goal=target):
    """Replicas for yesterday's highest rate between now and five minutes after a pod started now could serve."""
    size = replicas_for(rates, goal, headroom)
    return lambda now, *state: size[now // STEP : (now + seconds + 300) // STEP].max(
        axis=0
    )


peak, mean = (
    replicas_for(rate, target, 1.2)
    for rate in (yesterday.max(axis=0), yesterday.mean(axis=0))
)
in_flight, ahead = (
    per_pod(lambda r, w: r + w, target),
    forecast(yesterday, startup, 1.1),
)
policies = {
    "fixed: yesterday's peak + 20%": lambda *state: peak,
    "fixed: yesterday's mean + 20%": lambda *state: mean,
    "HPA: CPU at 60%": scaled(
        per_pod(lambda r, w: (1 + 0.03 * r) / 8, 0.6)
    ),  # 1 core + 3% a stream, of 8 requested
    "HPA: GPU busy at 80%": scaled(
        per_pod(lambda r, w: -np.expm1(-r), 0.8)
    ),  # a kernel runs if any stream does
    "HPA: queue length at 5": scaled(per_pod(lambda r, w: w, 5)),
    "HPA: KV cache at 69%": scaled(
        per_pod(lambda r, w: np.minimum(r / SLOTS, 1), target / SLOTS)
    ),
    "HPA: in flight, no window": scaled(
        in_flight, behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}
    ),
    "HPA: in flight (manifest)": scaled(in_flight),
    "forecast alone": scaled(ahead),
    "forecast or in flight": scaled(ahead, in_flight),
}

# %% name="replay"
logs = {name: simulate(arrivals, policy, startup) for name, policy in policies.items()}
days = {name: summary(arrivals, log) for name, log in logs.items()}
means = pd.DataFrame(
    {
        name: {key: value.mean() for key, value in day.items()}
        for name, day in days.items()
    }
).T
means.insert(2, "worst day", [day["late"].max() for day in days.values()])
(
    hours_fixed,
    _,
    _,
    hours_gpu,
    hours_queue,
    _,
    _,
    hours_manifest,
    hours_alone,
    hours_both,
) = means["replica-hours"]
(
    late_fixed,
    late_flat,
    late_cpu,
    _,
    late_queue,
    late_kv,
    late_nervous,
    late_manifest,
    late_alone,
    late_both,
) = means["late"]
*_, turns_queue, turns_kv, turns_nervous, turns_manifest, turns_alone, turns_both = (
    means["reversals"]
)
saved = 1 - hours_manifest / hours_fixed
paired = int(
    (
        days["forecast or in flight"]["late"]
        < days["HPA: in flight (manifest)"]["late"]
    ).sum()
)
assert (
    saved > 0.5
    and late_manifest < 0.01
    and late_fixed < 0.001
    and min(late_flat, late_cpu) > 0.3
)
assert (
    hours_gpu > 1.3 * hours_fixed
    and late_queue > 0.1
    and hours_queue > 1.5 * hours_manifest
)
assert turns_nervous > 4 * turns_manifest and late_nervous > 1.5 * late_manifest
assert late_alone > 2 * late_manifest > 2.4 * late_both and paired > 12
assert (
    desired_replicas(10, 10, 1.0, 0.95) == 10
)  # every GPU busy, a target of 95%: inside the tolerance for ever
means.assign(
    **{key: means[key].map("{:.2%}".format) for key in ("late", "worst day")},
    **{
        key: means[key].map("{:,.0f}".format)
        for key in ("replica-hours", "changes", "reversals")
    },
)

# %% name="day-figure" tags=["hide-input"]
hours = np.arange(0, 24, STEP / 3600)
shown = int(np.argmax(arrivals.max(axis=0)))  # the day with the highest spike
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
need = (
    pd.Series(arrivals[:, shown] / STEP * answer_seconds(target) / target)
    .rolling(36, min_periods=1)
    .mean()
)
ax.fill_between(hours[::12], need[::12], alpha=0.25, label="needed at the target batch")
for name, style in (
    ("forecast alone", "--"),
    ("HPA: in flight (manifest)", "-"),
    ("HPA: queue length at 5", ":"),
):
    ax.plot(
        hours[::12], logs[name]["ready"][::12, shown], style, linewidth=1.3, label=name
    )
ax.set(
    xlabel="hour of the day",
    ylabel="ready replicas",
    xticks=range(0, 25, 4),
    ylim=(0, 42),
)
ax.legend(fontsize="small")
plt.show()

# %% name="frontier"
goals = np.array([16, 20, 24, 28])
goal = goals.repeat(DAYS)
worlds = {
    "spike at an unknown hour": (arrivals, yesterday),
    "the same spike at nine every day": traffic(
        np.random.default_rng(4), DAYS, daily=True
    ),
}
settings = {
    f"in flight, start-up {startup} s": (startup, False),
    f"+ forecast, start-up {startup} s": (startup, True),
    f"in flight, start-up {startup_fast} s": (startup_fast, False),
}
rows = []
for world, (today, before) in worlds.items():
    wide, known = (np.tile(counts, (1, len(goals))) for counts in (today, before))
    for setting, (seconds, look) in settings.items():
        rules = [per_pod(lambda r, w: r + w, goal)] + [
            forecast(known, seconds, 1.0, goal)
        ] * look
        day = summary(wide, simulate(wide, scaled(*rules, columns=len(goal)), seconds))
        rows += [
            (
                world,
                setting,
                g,
                *(day[key][goal == g].mean() for key in ("replica-hours", "late")),
            )
            for g in goals
        ]
frontier = pd.DataFrame(
    rows, columns=["world", "setting", "target", "replica-hours", "late"]
)
at_24 = frontier[frontier["target"] == 24]
late_cold, late_ahead, late_fast, habit_cold, habit_ahead, habit_fast = at_24["late"]
assert (
    late_ahead > late_cold / 2 and habit_ahead < habit_cold / 5
)  # a forecast knows only what repeats
assert (
    late_fast < late_cold / 15
    and habit_fast < habit_cold / 15
    and np.ptp(at_24["replica-hours"]) < 15
)

# %% name="frontier-figure" tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5), layout="constrained", sharey=True)
for ax, (world, part) in zip(axes, frontier.groupby("world", sort=False)):
    for (setting, curve), style in zip(
        part.groupby("setting", sort=False), ("o-", "s--", "^:")
    ):
        ax.plot(
            curve["replica-hours"],
            100 * curve["late"].clip(lower=1e-5),
            style,
            label=setting,
        )
    ax.set(title=world, xlabel="replica-hours a day", yscale="log")
axes[0].set(ylabel="late requests (%), floor 0.001")
axes[1].legend(fontsize="small", loc="center right")
plt.show()

# %% name="scale-to-zero"
idle, rng, rows = 300, np.random.default_rng(2), {}  # KEDA's default cool-down, seconds
for per_hour in (1, 4, 12, 30):
    rate = per_hour / 3600
    exact = np.array([1, 1 + rate * startup]) / (rate * startup + np.exp(rate * idle))
    off, cold = scale_to_zero(rng.exponential(1 / rate, 40_000).cumsum(), startup, idle)
    assert abs(off - exact[0]) < 0.02 and abs(cold - exact[1]) < 0.02
    rows[per_hour] = (off, exact[0], cold, exact[1])
(zero_saved_1, _, zero_cold_1, _), (zero_saved_12, _, zero_cold_12, _) = (
    rows[1],
    rows[12],
)
pd.DataFrame(
    rows, index=["hours saved", "formula", "requests that wait", "formula "]
).T.rename_axis("requests an hour").map("{:.1%}".format)

# %% name="draining"
lengths = np.random.default_rng(3).lognormal(
    np.log(TOKENS) - 0.5, 1.0, 400_000
)  # mean 800 tokens
life = lengths * answer_seconds(target) / TOKENS
deadlines = {
    "30 s: Kubernetes' default, spot on Google Cloud": 30,
    "120 s: spot on AWS": 120,
    "600 s": 600,
}
cut = {
    name: float(np.maximum(life - d, 0).mean() / life.mean())
    for name, d in deadlines.items()
}  # residual life
cut_30, cut_120, cut_600 = cut.values()
removed = (
    -np.diff(logs["HPA: in flight (manifest)"]["wanted"], axis=0)
    .clip(max=0)
    .sum(axis=0)
    .mean()
)
cut_a_day, gap = (
    removed * target * cut_30,
    startup - 120,
)  # gap: seconds until a successor started at AWS's notice serves
assert cut_30 > 0.3 > 0.15 > cut_120 > 0.01 > cut_600
pd.DataFrame(
    {"streams cut": cut, "of 22 on a replica": {k: target * v for k, v in cut.items()}}
).round(3)

# %% name="packing"
small = [1, 2] * 13 + [1]  # pods of one or two GPUs, on 8 nodes of 8
spread, packed = place(small, pack=False), place(small, pack=True)
fit_spread, fit_packed, idle_gpus = (
    int((spread // gpus).sum()),
    int((packed // gpus).sum()),
    int(spread.sum()),
)
assert idle_gpus == packed.sum() and fit_packed >= 2 * fit_spread
print(
    f"{idle_gpus} of 64 GPUs free; {gpus}-GPU replicas that fit: {fit_spread} spread, {fit_packed} packed"
)
