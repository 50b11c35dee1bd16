# %% [markdown]
# # 如何评估不同算力与存储架构的性价比？ · How do you compare compute and storage architectures by performance and cost?
# 屋顶线模型对照公开实测，算出每百万词元的成本区间、敏感度与帕累托前沿；存储按耐久性与每个任务的花费选择。
# A roofline model held to published measurements gives dollars per million tokens with an interval, a sensitivity chart and a Pareto front; storage is chosen by durability and dollars per job.

# %% name="raw-sum"
import pandas as pd
from devices import DEVICES

WEIGHTS = pd.Series({"compute": 0.5, "bandwidth": 0.3, "memory": 0.2})
sheets = {name: device.sheet for name, device in DEVICES.items()}
specs = pd.DataFrame(
    {name: [s.bf16_flops, s.bandwidth, s.memory] for name, s in sheets.items()},
    index=WEIGHTS.index,
).T


def score(table: pd.DataFrame, units=(1, 1, 1)) -> pd.Series:
    return (table / list(units) * WEIGHTS).sum(axis="columns")


def min_max(names: list[str]) -> pd.Series:
    chosen = specs.loc[names]
    return score((chosen - chosen.min()) / (chosen.max() - chosen.min()))


pair = ["TPU v6e", "H20"]
scores = pd.DataFrame(
    {
        "TFLOP/s, TB/s, GB": score(specs, (1e12, 1e12, 1e9)),
        "TFLOP/s, GB/s, GB": score(specs, (1e12, 1e9, 1e9)),
        "min-max, beside H200": min_max([*pair, "H200"]),
        "min-max, B200 added": min_max([*pair, "H200", "B200"]),
    }
).loc[pair]
assert scores.idxmax().tolist() == ["TPU v6e", "H20", "TPU v6e", "H20"]

# With dollars added, as if they were performance, the dearer server is the better one.
performance = score(specs, (1e12, 1e12, 1e9))["H100"]
cheap, dear = performance + 270_000, performance + 350_000
assert dear > cheap and performance / cheap < 0.01  # and nothing but the price counts
scores.round(2)

# %% name="calibrate"
import calibration
import numpy as np
from published import TENSORRT_LLM

fits = {key: calibration.fit(key) for key in TENSORRT_LLM}
# Fitted to the ten numbers of one column; all others are held out.
COMPUTE, MEMORY = fits["70B", "H200", 1]
checked = calibration.check(COMPUTE, MEMORY)

other_software = checked.index.str.contains("B200|MI300X")
held_out = checked[~other_software].iloc[1:]
held_points = int(held_out["points"].sum())
deviation = float(np.average(held_out["mean |deviation|"], weights=held_out["points"]))
assert deviation < 0.15 and held_out["mean |deviation|"].max() < 0.25

# Attained shares do not carry over to another maker's software, or to another precision.
over = checked.loc[other_software, "mean"].tolist()
software = {name: 1 / (1 + by) for name, by in zip(["B200", "MI300X"], over)}
b200_share, mi300x_share = software.values()
mi300x_over, worst_off = over[1], float(held_out["worst"].abs().max())
assert b200_share < 0.8 and mi300x_share < 0.8
latency_low = -float(checked.loc["NIM 70B, 2x H100: latency", "worst"])
checked.style.format(dict.fromkeys(checked.columns[1:], "{:+.0%}"))

# %% name="deepseek"
from published import DEEPSEEK as day

DAY, node_day = 86_400, 8 * 24 * day["$ a GPU-hour"]
prefill_nodes = day["input tokens"] / DAY / day["input tokens/s a node"]
decode_nodes = day["output tokens"] / DAY / day["output tokens/s a node"]
assert abs((prefill_nodes + decode_nodes) / day["nodes"] - 1) < 0.01
assert day["nodes"] * node_day == day["$ a day"]

computed = day["input tokens"] - day["cache hits"]
ds_input = prefill_nodes * node_day / day["input tokens"] * 1e6
ds_computed = prefill_nodes * node_day / computed * 1e6
ds_output = decode_nodes * node_day / day["output tokens"] * 1e6
node_ops = 8 * DEVICES["H100"].ops
ds_attained = computed / DAY * 2 * 37e9 / (prefill_nodes * node_ops)
assert ds_attained < COMPUTE / 2
print(f"nodes: {prefill_nodes:.1f} prefill + {decode_nodes:.1f} decode")
print(f"$ per million: in {ds_input:.3f}, out {ds_output:.3f}")

# %% name="hour"
import owning

drawn = owning.draw(4_000, seed=1)
parts = owning.hour(drawn)
whole = sum(parts.values())
hours = pd.DataFrame(
    {n: [*np.percentile(p, [5, 50, 95]), (p / whole).mean()] for n, p in parts.items()}
    | {"all": [*np.percentile(whole, [5, 50, 95]), 1]},
    index=["5%", "median", "95%", "share"],
).T
own_low, own, own_high, _ = hours.loc["all"].tolist()
electricity = float(hours.loc["electricity", "share"])
rent = DEVICES["H100"].rent
buy_above = own / rent  # hours in use, against renting for just those hours
assert electricity < 0.1 and hours.loc["server and network", "share"] > 0.5
hours.style.format(dict.fromkeys(hours.columns[:3], "{:.2f}") | {"share": "{:.0%}"})

# %% name="token"
from tokens import token_costs

near = np.array([f for (_, _, count), f in fits.items() if count <= 2])
for i, name in enumerate(["compute attained", "bandwidth attained"]):
    chance = np.random.default_rng(i)
    bounds = near[:, i].min(), (COMPUTE, MEMORY)[i], near[:, i].max()
    drawn[name] = chance.triangular(*bounds, len(whole))

per_million = np.array(token_costs(drawn))
interval = pd.DataFrame(np.percentile(per_million, [5, 50, 95], axis=1).T)
interval.columns, interval.index = ["5%", "median", "95%"], ["input", "output"]
(in_low, in_mid, in_high), (out_low, out_mid, out_high) = interval.to_numpy().tolist()
out_over_in = float(np.median(per_million[1] / per_million[0]))
assert out_over_in > 1.5 and 2 < out_high / out_low < 10
interval.round(2)

# %% name="tornado" tags=["hide-input"]
import matplotlib.pyplot as plt
from tokens import swings

centre, swing = swings(drawn)
fig, ax = plt.subplots(figsize=(6, 4.6), layout="constrained")
ax.barh(swing.index, swing["swing"], left=swing["low"])
ax.axvline(centre, linestyle="--", linewidth=1)
ax.set(xlabel="$ per million output tokens", xlim=(0.9 * swing["low"].min(), None))
load_swing = float(swing.loc["load, share of hours", "swing"])
power_swing = float(swing.loc["electricity [$/kWh]", "swing"])
load_over_power = load_swing / power_swing
assert swing["swing"].idxmax() == "load, share of hours" and load_over_power > 8
plt.show()

# %% name="pareto" tags=["hide-input"]
from published import MODELS
from roofline import Work, best, step
from tokens import CHAT

LLAMA, points = MODELS["70B"], []
fig, ax = plt.subplots(figsize=(6, 4.6), layout="constrained")
for (name, device), marker in zip(DEVICES.items(), "osD^vP" * 2):
    if device.rent is None or device.precision == "INT8":
        continue
    curve = []
    for target in np.geomspace(10, 200, 40):
        work = Work(500, 2000, target / 1000)
        speed = best(LLAMA, device, work, COMPUTE, MEMORY, software.get(name, 1))[0]
        if speed:
            curve.append((target, device.rent / 3600 / speed * 1e6))
            points.append((*curve[-1], name))
    ax.plot(
        *zip(*curve),
        marker=marker,
        markevery=8,
        markersize=5,
        label=f"{name} {device.precision}",
    )
front = []
for target, dollars, name in sorted(points):
    if not front or dollars < 0.999 * front[-1][1]:
        front.append((target, dollars, name))
ax.plot(
    *list(zip(*front))[:2],
    linewidth=7,
    color="0.5",
    alpha=0.4,
    label="Pareto front",
    zorder=0,
)
ax.set(xscale="log", yscale="log", xlabel="latency target [ms a token]")
ax.set(ylabel="$ per million output tokens, prompts included")
ax.legend(fontsize=8, ncols=2)
on_front = list(dict.fromkeys(name for _, _, name in front))
alone = step(LLAMA, DEVICES["2x Xeon"], 1, 1, Work(500, 2000), COMPUTE, MEMORY)[0]
xeon_ms = float(1000 * alone)
assert xeon_ms > 200
switch_ms = next(target for target, _, name in front if name == "MI300X")
assert on_front[0] == "B200" and on_front[-1] == "MI300X" and len(set(on_front)) == 2
plt.show()

# %% name="workloads"
workloads = {  # and the sequences at once that the traffic allows
    "chat": (CHAT, np.inf),
    "summary": (Work(2048, 128), np.inf),
    "long": (Work(500, 2000), np.inf),
    "32k": (Work(32_000, 500, 0.05), np.inf),
    "one user": (CHAT, 1),
}
speeds = pd.DataFrame(
    {
        label: [
            best(LLAMA, device, work, COMPUTE, MEMORY, software.get(name, 1), most)[0]
            for name, device in DEVICES.items()
        ]
        for label, (work, most) in workloads.items()
    },
    index=list(DEVICES),
).replace(0, np.nan)
MFU = 0.4  # of BF16 in training, assumed for all alike; per 10^18 operations
speeds["training"] = specs["compute"] * MFU / 1e12
rents = pd.Series({name: device.rent for name, device in DEVICES.items()})
costs = (1e6 / 3600 / speeds).mul(rents, axis="index")

h200, tpu = (costs.loc[name] / costs.loc["H100"] for name in ("H200", "TPU v6e"))
h200_saves_one, h200_adds_chat = 1 - h200["one user"], h200["chat"] - 1
tpu_saves_training, tpu_chat = 1 - tpu["training"], float(tpu["chat"])
assert min(h200_saves_one, h200_adds_chat, tpu_saves_training) > 0.05 and tpu_chat > 2
cheapest = ["B200", "B200", "MI300X", "MI300X", "B200", "MI300X"]
assert costs.idxmin().tolist() == cheapest
gap_32k = float(costs.loc["B200", "32k"] / costs.loc["MI300X", "32k"] - 1)
assert costs["training"].nsmallest(2).index[1] == "TPU v6e"
assert costs.loc["2x Xeon"].isna().sum() == 3  # a processor misses the target
costs.style.format("{:.2f}", na_rep="–")


# %% name="worth"
def worth_an_hour(name: str) -> pd.Series:
    """At a higher rent the cheapest of the other devices does the work for less."""
    return costs.drop(name).min() * speeds.loc[name] * 3600 / 1e6


worth = pd.DataFrame({name: worth_an_hour(name) for name in DEVICES}).T
h20_least, h20_most = float(worth.loc["H20"].min()), float(worth.loc["H20"].max())
h100_chat = float(worth.loc["H100", "chat"])
mi300x_mfu = float(MFU * rents["MI300X"] / worth.loc["MI300X", "training"])
PORTING = 150_000  # dollars, once
saved = costs.loc["H100", "chat"] - costs.loc["MI300X", "chat"]
port_tokens = float(PORTING / saved / 1e6)  # 10^12 that pay for it
assert h20_most > 5 * h20_least and h100_chat < rent
worth.style.format("{:.2f}", na_rep="–")

# %% name="durability"
import math

from storage import annual_loss, simulated_loss

AFR = 0.0157  # Backblaze, all drives, 2024
# Drives in a group, and losses that it survives.
schemes = {"1 copy": (1, 0), "2 copies": (2, 1), "3 copies": (3, 2)}
schemes |= {"6 + 3": (9, 3), "10 + 4": (14, 4), "17 + 3": (20, 3)}


def nines(*scheme: int, hours: float) -> float:
    return -math.log10(annual_loss(*scheme, AFR, hours))


durability = pd.DataFrame(
    {
        name: [s[0] / (s[0] - s[1]), nines(*s, hours=24), nines(*s, hours=168)]
        for name, s in schemes.items()
    },
    index=["bytes per byte", "nines, 24 h repair", "nines, 7 d repair"],
).T
coded_bytes, coded_nines, coded_slow = durability.loc["10 + 4"].tolist()
copied_bytes, copied_nines, copied_slow = durability.loc["3 copies"].tolist()
extra_nines = coded_nines - copied_nines
assert coded_bytes < copied_bytes / 2 and extra_nines > 3

# The formula against a simulation, with drives bad enough to be seen failing.
GROUPS = 20_000
expected = annual_loss(9, 3, 0.5, 200)
simulated = simulated_loss(9, 3, 0.5, 200, GROUPS, seed=3)
assert abs(simulated - expected) < 4 * math.sqrt(expected / GROUPS)
# One site that burns down once in a thousand years caps any code within it.
one_site = -math.log10(annual_loss(14, 4, AFR, 24) + 1 / 1000)
assert one_site < 3.01
durability.round(1)

# %% name="reads"
IOPS, THROUGHPUT = 3_000, 125 * 2**20  # of an EBS gp3 volume, unless more is bought
kib = [4, 16, 64, 1024]
reach = pd.Series(
    {f"{size} KiB": min(IOPS * size * 1024, THROUGHPUT) / 1e6 for size in kib}
)
small_reads = float(reach.iloc[0] / reach.iloc[-1])
turning_kib = THROUGHPUT / IOPS / 1024

big = MODELS["405B"]  # trained by 16,384 devices at 400 TFLOP/s each
tokens_a_second = 16_384 * 400e12 / (3 * big.forward_flops(context=8192 // 2))
read_mb = tokens_a_second * 4 / 1e6  # identifiers of 32 bits
state = big.parameters * 14  # bytes: BF16 weights, FP32 copy, two moments
save_gb = state / 60 / 1e9  # a second, to be written within a minute
assert save_gb * 1000 > 1000 * read_mb
print(f"reads {read_mb:.0f} MB/s; saves {state / 1e12:.1f} TB a time")
reach.round(0).to_frame("MB/s").T

# %% name="checkpoint"
NODES, DAYS, EVERY, KEPT = 128, 30, 1_800, 20  # eight H100 a node; save every half hour
state_tb = LLAMA.parameters * 14 / 1e12
waiting = NODES * 8 * rent / 3600  # dollars a second in which all devices wait
TIB = 2**40 / 1e12
kept_tb = KEPT * state_tb
designs = {  # $ a TB and month, TB bought, GB/s that the devices wait for
    "object store, one writer": (23, kept_tb, 5),
    "object store, all nodes write": (23, kept_tb, NODES * 1),
    "Lustre bought by capacity": (145, kept_tb, kept_tb / TIB * 0.125),
    "Lustre bought by throughput": (145, 100 / 0.125 * TIB, 100),
    "local NVMe, copied later": (23, kept_tb, NODES * 10),
}
job = pd.DataFrame(designs, index=["$/TB/month", "TB", "GB/s"]).T
job["wait [s]"] = state_tb * 1000 / job["GB/s"]
job["storage [$]"] = job["$/TB/month"] * job["TB"] * DAYS / 30.4
job["devices waiting [$]"] = job["wait [s]"] * DAYS * 86_400 / EVERY * waiting
job["job [$]"] = job["storage [$]"] + job["devices waiting [$]"]
one_writer, all_write, by_capacity, by_throughput, staged = job["job [$]"].tolist()
assert one_writer > 20 * all_write and staged < all_write / 5
assert by_capacity > 3 * by_throughput and by_throughput > 10 * all_write
job.drop(columns=["TB", "GB/s"]).map("{:,.0f}".format)
