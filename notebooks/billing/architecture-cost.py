# %% [markdown]
# # 如何评估不同算力与存储架构的性价比？ · How do you compare compute and storage architectures by performance and cost?
# 先用公开实测乘同一家的租价，再用屋顶线模型补没有实测的卡，并报出它在所有检验点上的误差；然后是自有一小时的成本、每百万词元的区间、盈亏平衡价与存储。
# Published throughput at one provider's prices first, a roofline model where nothing was measured with its error on every held-out number, then the cost of an owned hour, the interval of a token's cost, break-even prices, and storage.

# %% name="raw-sum"
import costs
import numpy as np
import pandas as pd
from costs import ASSUMED, DEVICES, MODELS, PUBLISHED, rounded
from facts import fact

sheets = ["bf16_tflops", "bandwidth_tb_s", "memory_gb"]
specs = pd.DataFrame(DEVICES).T[sheets].astype(float)
weights = pd.Series([0.5, 0.3, 0.2], index=sheets)
scores = pd.DataFrame({"bandwidth in TB/s": (specs * weights).sum(axis=1)})
scores["in GB/s"] = (specs * [1, 1000, 1] * weights).sum(axis=1)
for name, others in {"H200": ["H200"], "H200 and B200": ["H200", "B200"]}.items():
    chosen = specs.loc[["TPU v6e", "H20", *others]]
    spread = (chosen - chosen.min()) / (chosen.max() - chosen.min())
    scores[f"0 to 1, beside {name}"] = (spread * weights).sum(axis=1)
scores = scores.loc[["TPU v6e", "H20"]].rename_axis("score")
assert scores.idxmax().tolist() == ["TPU v6e", "H20", "TPU v6e", "H20"]
scores.round(2)

# %% name="measured"
RENT = fact("gpu_rent")
shapes = [f"{i:,} / {o:,}" for i, o in PUBLISHED["shapes"]]
measured = pd.DataFrame(index=pd.Index(shapes, name="tokens in / out"))
for run in PUBLISHED["run"][:3]:  # TensorRT-LLM, 70B, full load
    paid = RENT[run["device"].lower()] * run["devices"] / 3600
    measured[run["device"]] = 1e6 * paid / np.array(run["tokens_s"])
ratio = measured["H200"] / measured["H100"]
h200_saves, h200_adds = 1 - ratio.min(), ratio.max() - 1
at_nebius = RENT["nebius_h200"] / RENT["h200"] * RENT["h100"] / RENT["nebius_h100"]
h100_wins, h100_at_nebius = int((ratio > 1).sum()), int((ratio * at_nebius > 1).sum())
b200_saves = 1 - (measured["B200"] / measured[["H100", "H200"]].min(axis=1)).max()
assert {*measured.idxmin(axis=1)} == {"B200"} and (h100_wins, h100_at_nebius) == (6, 1)
assert rounded(b200_saves, h200_saves, h200_adds) == [0.29, 0.09, 0.13]
assert (ratio.idxmin(), ratio.idxmax()) == ("1,000 / 2,000", "2,048 / 128")
assert rounded(*measured.loc["1,000 / 1,000"]) == [0.44, 0.46, 0.27]
measured.style.format("{:.2f}")

# %% name="measured-later"
speed = pd.DataFrame(PUBLISHED["later"]).T  # tokens a second and GPU
later = 1e6 / 3600 / speed * [RENT[device.lower()] for device in speed]
now = later["H200"] / later["H100"] - 1
dense_adds, _, _, moe_saves = now * [1, 1, -1, -1]
was_saved = 1 - ratio["1,000 / 1,000"]
later_b200 = 1 - (later["B200"] / later[["H100", "H200"]].min(axis=1)).max()
assert rounded(dense_adds, moe_saves, was_saved, later_b200) == [0.12, 0.23, 0.05, 0.16]
gb200_worth = PUBLISHED["gb200"]["tokens_s"] / speed.loc["Llama 3.3 70B", "B200"]
gb200_price = gb200_worth * RENT["b200"]
prompts_h200, prompts_h100 = PUBLISHED["long_prompts"].values()
long_saves = 1 - RENT["h200"] / prompts_h200 / (RENT["h100"] / prompts_h100)
assert rounded(*now) == [0.12, 0.1, -0.1, -0.23] and round(long_saves, 3) == 0.025
assert rounded(gb200_worth, gb200_price) == [1.12, 7.62]
later.rename_axis("1,000 in / 1,000 out").style.format("{:.2f}")

# %% name="calibrate"
COMPUTE, MEMORY = costs.fit(PUBLISHED["run"][0])
off = {run["name"]: costs.deviations(run, COMPUTE, MEMORY) for run in PUBLISHED["run"]}
h200, h100, b200, *_ = [1 + each for each in off.values()]
held_out = np.concatenate(list(off.values())[1:])
held_points, deviation = len(held_out), abs(held_out).mean()
b200_over, mi300x_over = b200.mean() - 1, off["MLPerf 5.1 70B FP8, MI300X"][0]
tpu_off = abs(off["vLLM 70B BF16, 8x TPU v6e"]).mean()
checked = costs.summary(off)
moe_over = np.concatenate([r for n, r in off.items() if "Qwen3" in n]).mean()
told_apart = int(((ratio * h100 / h200 > 1) == (ratio > 1)).sum())
assert (held_points, told_apart) == (96, 6) and h200_adds < deviation
least, most = checked["lowest"].iloc[1:].min(), checked["highest"].iloc[1:].max()
assert least == held_out.min() < 0 < most == held_out.max()  # wrong in both directions
assert rounded(COMPUTE, MEMORY, deviation, tpu_off) == [0.56, 0.55, 0.22, 0.05]
assert rounded(mi300x_over, moe_over, b200_over) == [0.34, 0.39, 0.31]
checked.style.format("{:+.0%}", subset=checked.columns[1:])

# %% name="deepseek"
day = PUBLISHED["deepseek"]
nodes = {way: day[way] / 86_400 / day[f"{way}_s"] for way in ("input", "output")}
node_day = 8 * 24 * day["gpu_hour"]  # dollars
paid_in, paid_out = (1e6 * node_day * n / day[way] for way, n in nodes.items())
same = pd.DataFrame(PUBLISHED["node"]).set_index("tokens/s of eight")
flops = same["input"] * 2 * MODELS["DeepSeek-V3"].active_parameters
same["% of peak"] = 100 * flops / (8 * same.pop("device").map(costs.peak))
online_share = same.loc["H800, a day online", "% of peak"]
online, profile, sglang, h20, ascend = (row for _, row in same.iterrows())
online_in, online_out, _ = online / profile
h20_in, ascend_in = (row["input"] / sglang["input"] for row in (h20, ascend))
h20_out, ascend_out = (row["output"] / profile["output"] for row in (h20, ascend))
uncached = 1 - day["cached"] / day["input"]  # the source counts no cache hits online
balance = day["sglang_balanced"] / sglang["input"] - 1
h20_peak = costs.peak("H20") / costs.peak("H100")
assert abs(sum(nodes.values()) / day["nodes"] - 1) < 0.01
assert abs(day["input_s"] * uncached / online["input"] - 1) < 0.01
assert rounded(paid_in, paid_out, online_in, online_out) == [0.06, 0.3, 0.51, 0.8]
assert rounded(h20_in, h20_out, h20_peak, balance) == [0.33, 0.29, 0.15, 0.18]
assert rounded(ascend_in, ascend_out) == [0.9, 0.84] and round(online_share) == 15
assert [*same["% of peak"].round()] == [15, 29, 23, 51, 28] and COMPUTE > 0.51
same.style.format("{:,.0f}", na_rep="-")

# %% name="hour"
chance = np.random.default_rng(1)
drawn = {name: chance.triangular(*shape, 4_000) for name, shape in ASSUMED.items()}
parts = costs.hour(drawn)
parts["all"] = sum(parts.values())
hours = pd.DataFrame({n: np.percentile(p, [5, 50, 95]) for n, p in parts.items()}).T
hours.columns = ["5%", "median", "95%"]
hours["share"] = [(p / parts["all"]).mean() for p in parts.values()]
own_low, own, own_high = hours.loc["all", ["5%", "median", "95%"]]
electricity, server = hours.loc[["electricity", "server and network"], "share"]
rent = RENT["h100"]
buy_low, buy_above, buy_high = np.array([own_low, own, own_high]) / rent  # hours in use
buy_community = own / RENT["community_h100"]
assert rounded(own_low, own, own_high) == [1.68, 1.97, 2.4]
assert rounded(buy_low, buy_above, buy_high, buy_community) == [0.48, 0.57, 0.69, 0.73]
assert rounded(electricity, server) == [0.07, 0.66]
hours.rename_axis("an hour [$]").style.format("{:.2f}")

# %% name="token"
import matplotlib.pyplot as plt

# From the fits to 8B and 70B: in those to 405B both shares hide the exchange.
drawn["compute attained"] = chance.triangular(0.5, 0.56, 0.6, 4_000)
drawn["bandwidth attained"] = chance.triangular(0.5, 0.55, 0.8, 4_000)
inputs, outputs = costs.token(drawn)
out_low, out_high = np.percentile(outputs, [5, 95])
out_over_in = np.median(outputs / inputs)
all_over_out = 1 + 1000 / 300 / out_over_in  # if output pays for all
low, high = costs.one_at_a_time(drawn)
width = (high - low).sort_values()
load_over_power = width["load, share of hours"] / width["electricity [$/kWh]"]
assert width.index[0] == "PUE" and width.index[-1] == "load, share of hours"
assert width.index[-2] == "batch, share of limit" and 18 < load_over_power < 22
assert 0.18 < out_low < 0.195 and 0.57 < out_high < 0.61
assert 1.6 < out_over_in < 1.7 and round(all_over_out, 1) == 3.0
fig, ax = plt.subplots(figsize=(3.5, 4.2), layout="constrained")
ax.barh(width.index, width, left=low[width.index])
ax.set(xlabel="$ per million output tokens", xlim=(0, None))
plt.show()

# %% name="worth"
ways = {"one user": ("70B", 0.05, 1), "chat": ("70B", 0.05)}
ways |= {"MoE, 100 ms": ("DeepSeek-V3", 0.1), "MoE, 50 ms": ("DeepSeek-V3", 0.05)}
speeds = pd.DataFrame(index=pd.Index(DEVICES, name="hours of an H200"))
for way, (model, *limits) in ways.items():  # seconds a token, sequences at most
    how = MODELS[model], (COMPUTE, MEMORY), limits
    speeds[way] = [costs.fastest(sheet, *how) for sheet in DEVICES.values()]
worth = speeds / speeds.loc["H200"]
h20_one, h20_chat, h20_moe, h20_tight = worth.loc["H20"]
ascend_one, ascend_chat, ascend_moe, ascend_tight = worth.loc["Ascend 910C"]
h20_training = specs.loc["H20", "bf16_tflops"] / specs.loc["H200", "bf16_tflops"]
h20_one_price, h20_chat_price = h20_one * RENT["h200"], h20_chat * RENT["h200"]
nvidia, amd = PUBLISHED["run"][11:13]  # MLPerf
mi300x_measured = amd["tokens_s"][0] / nvidia["tokens_s"][0]
mi300x_quick = amd["interactive"] / nvidia["interactive"]
mi300x_price, mi300x_low = mi300x_measured * RENT["h200"], mi300x_quick * RENT["h200"]
mi300x_chat = worth.loc["MI300X", "chat"]
too_small = worth.index[worth["MoE, 100 ms"].isna()].tolist()
assert too_small == ["A100", "H100", "TPU v6e", "Ascend 910B"]
assert rounded(h20_one, h20_chat, ascend_one, ascend_chat) == [0.83, 0.17, 0.67, 0.75]
assert rounded(ascend_moe, ascend_tight, h20_moe, h20_tight) == [0.72, 0.13, 0.31, 0.53]
assert rounded(mi300x_chat, mi300x_measured, mi300x_quick) == [1.29, 0.8, 0.38]
assert rounded(h20_one_price, h20_chat_price) == [3.82, 0.76]
assert rounded(mi300x_price, mi300x_low, h20_training) == [3.67, 1.76, 0.15]
worth.style.format("{:.2f}", na_rep="-")

# %% name="sweep-rent" tags=["sweep"] flips="break_even"
index = [1, 1.5, 2, 2.25, 2.5, 3, 3.25, 3.5, 3.75, 4, 5, 7, 11]
sweep = pd.DataFrame(index=pd.Index(index, name="rent of an H100 [$/h]"))
equal = measured[["H200", "B200"]].mul(rent / measured["H100"], axis="index")
for other, prices in equal.items():
    sweep[f"cheaper than {other} [of 10]"] = [(prices > each).sum() for each in index]
sweep["buy above [% of hours]"] = (100 * own / sweep.index).round()
break_even, all_below = equal["B200"].max(), equal["B200"].min()
h200_from, h200_to = equal["H200"].min(), equal["H200"].max()
assert own_low < all_below < own < break_even < own_high
assert rounded(all_below, break_even, h200_from, h200_to) == [1.93, 2.28, 3.18, 3.96]
assert [*sweep.loc[2]] == [10, 8, 99] and (np.diff(sweep, axis=0) <= 0).all()
sweep

# %% name="checkpoint"
# TB: weights in BF16, a copy and both moments in FP32; saved half-hourly for thirty days.
STATE = MODELS["70B"].parameters * 14 / 1e12
NODES, SAVES, kept = 128, 30 * 48, 20 * STATE
designs = {  # TB bought, $ a TB and month, GB/s that the devices wait for
    "object store, one writer": (kept, 23, 5),
    "object store, all nodes write": (kept, 23, NODES * 1),
    "Lustre bought by capacity": (kept, 145, kept / 1.0995 * 0.125),
    "local NVMe, copied later": (kept, 23, NODES * 10),
}
job = pd.DataFrame(designs, index=["storage [$]", "price", "GB/s"]).T
job["storage [$]"] *= job.pop("price")
job["wait [s]"] = STATE * 1000 / job.pop("GB/s")
job["devices waiting [$]"] = job["wait [s]"] * SAVES * NODES * 8 * rent / 3600
job["job [$]"] = job["storage [$]"] + job["devices waiting [$]"]
one_writer, all_write, by_capacity, staged = job["job [$]"]
writer_over, stores = one_writer / staged, job["storage [$]"]
fastest_wait = job.loc["Lustre bought by capacity", "devices waiting [$]"] / 8
assert 450 < stores.iloc[0] < 460 and stores.nunique() == 2
assert [*job["job [$]"].round(-2)] == [282_900, 11_500, 631_600, 1_600]
assert (round(writer_over), round(fastest_wait, -2)) == (182, 78_600)
job.rename_axis("checkpoints").map("{:,.0f}".format)
