# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何做有效的分布式训练？ · How do you train a model across many devices?
#
# 在真实的 gloo 进程上验证：DDP 与单进程联合批等价，套接字字节数符合环形公式，FSDP 分片状态；再为 70B 模型算账。
#
# On real gloo processes: DDP equals one process on the joint batch, socket bytes match the ring formula, FSDP shards the state; then the arithmetic for a 70B model.

# %% name="joint-batch"
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import replicas
import splits
from launch import launch

[[one]] = launch(1, replicas.train, {"method": "one process"})
METHODS = ["ddp", "all_reduce_mean", "fsdp"]
results = launch(2, replicas.train, *({"method": m} for m in METHODS))


def far(a: dict, b: dict) -> float:
    """Largest difference of any weight between two runs."""
    return (a["weights"] - b["weights"]).abs().max().item()


table = {}
for method, (rank_0, rank_1) in zip(METHODS, results):
    error, apart, held = far(rank_0, one), far(rank_0, rank_1), rank_0["held"]
    assert error < 1e-9, "not the joint batch's weights"
    assert apart == 0, "ranks have drifted apart"
    table[method] = [f"{error:.0e}", apart, f"{held / 1e6:.2f}"]
ddp_error = far(results[0][0], one)
ddp_share, fsdp_share = (results[i][0]["held"] / one["held"] for i in (0, 2))
first_loss, last_loss = one["losses"][0].item(), one["losses"][-1].item()
assert ddp_share == 1 and abs(fsdp_share - 1 / 2) < 0.01
assert last_loss < 0.5 * first_loss
columns = ["largest weight difference", "between ranks", "state per rank (MB)"]
pd.DataFrame(table, index=columns).T

# %% name="ring-bytes"
size = 6 << 20  # bytes; splits evenly over 2, 3 and 4 ranks
rows = {}
for n in (2, 3, 4):
    [ranks] = launch(n, replicas.exchange, {"size": size})
    rows[n] = {
        "ring, every rank": max(r["ring"] for r in ranks) / size,
        "2(N-1)/N": 2 * (n - 1) / n,
        "server, rank 0": ranks[0]["server"] / size,
        "N-1": n - 1,
        "reduce-scatter on gloo": ranks[0]["reduce_scatter"] / size,
    }
    assert {r["sum"] for r in ranks} == {float(n)}
ring = pd.DataFrame(rows).T.rename_axis("ranks N")
assert (ring["ring, every rank"] / ring["2(N-1)/N"] - 1).abs().max() < 0.02
assert (ring["server, rank 0"] / ring["N-1"] - 1).abs().max() < 0.02
# gloo's reduce-scatter is an all-reduce in disguise.
assert (ring["reduce-scatter on gloo"] / ring["2(N-1)/N"] - 1).abs().max() < 0.02
ring_four, server_four = ring.loc[4, ["ring, every rank", "server, rank 0"]]
ring.round(3)

# %% name="ring-figure" tags=["hide-input"]
n = np.arange(2, 17)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.plot(n, n - 1, label="parameter server: N-1")
ax.plot(n, 2 * (n - 1) / n, label="ring all-reduce: 2(N-1)/N")
for i, column in enumerate(("server, rank 0", "ring, every rank")):
    ax.plot(ring[column], "o", color=f"C{i}", label="measured")
ax.set_xlabel("ranks N")
ax.set_ylabel("bytes sent by the busiest rank\n(multiples of the gradient)")
ax.legend()
plt.show()

# %% name="step-bytes"
# Method, micro-batches, and the formula for N = 4 in gradient sizes.
CASES = {
    "DDP": ("ddp", 1, 1.5),
    "DDP, 4 micro-batches": ("ddp", 4, 6.0),
    "DDP, 4 micro-batches, no_sync": ("no_sync", 4, 1.5),
    "DDP, gradients as fp16": ("fp16", 1, 0.75),
    "FSDP": ("fsdp", 1, 3.0),
    "FSDP, 4 micro-batches": ("fsdp", 4, 12.0),
}
calls = [{"method": m, "micro_batches": k} for m, k, _ in CASES.values()]
steps = launch(4, replicas.step_traffic, *calls)
step = pd.DataFrame(
    {
        "bytes sent / gradient bytes": [r[0]["sent"] / r[0]["size"] for r in steps],
        "formula, N=4": [formula for *_, formula in CASES.values()],
    },
    index=list(CASES),
)
sent = step["bytes sent / gradient bytes"]
assert (sent / step["formula, N=4"] - 1).abs().max() < 0.05
step_ddp, step_naive, step_no_sync, step_fp16, step_fsdp, step_fsdp_4 = sent
step.round(2)

# %% name="model-splits"
tensor, pipe, expert, skewed = (
    launch(2, work, case)[0]
    for work, case in (
        (splits.tensor_parallel, {}),
        (splits.pipeline, {"micro_batches": 4}),
        (splits.expert_parallel, {"skew": 0.0}),
        (splits.expert_parallel, {"skew": 2.0}),
    )
)
token = splits.WIDTH * 4  # bytes of one token's activation, float32
expected = {
    "tensor, forward": (tensor, splits.TOKENS * token),
    "pipeline, 4 micro-batches": (pipe, splits.TOKENS * token),
    "experts, even routing": (expert, expert[0]["moved"] * token),
    "experts, skewed routing": (skewed, skewed[0]["moved"] * token),
}
table = {}
for case, (ranks, formula) in expected.items():
    bytes_0, held = ranks[0]["sent"], ranks[0]["held"]
    assert all(r["error"] < 1e-4 for r in ranks), case  # equals the unsplit model
    assert abs(bytes_0 / formula - 1) < 0.03 and abs(held - 0.5) < 0.01, case
    table[case] = [f"{held:.0%}", round(bytes_0 / 1024), round(formula / 1024)]
expert_busy = max(r["tokens"] for r in skewed) / splits.TOKENS
expert_even = max(r["tokens"] for r in expert) / splits.TOKENS
assert expert_busy > 1.2 > expert_even
columns = ["parameters per rank", "KiB sent by rank 0", "formula (KiB)"]
pd.DataFrame(table, index=columns).T

# %% name="wrong-sync"
BROKEN = ["all_reduce_sum", "first_parameter_only"]
adam_sum, adam_first = launch(2, replicas.train, *({"method": m} for m in BROKEN))
sgd = {"optimizer": "SGD", "lr": 0.1}
right = {"method": "one process", **sgd}
[[plain], [doubled]] = launch(1, replicas.train, right, right | {"lr": 0.2})
[sgd_sum] = launch(2, replicas.train, {"method": "all_reduce_sum", **sgd})


def off(run: dict, reference: dict) -> float:
    """Distance from the right weights, as a share of the distance trained."""
    moved = (reference["weights"] - reference["start"]).norm()
    return ((run["weights"] - reference["weights"]).norm() / moved).item()


sum_off_adam, sum_off_sgd = off(adam_sum[0], one), off(sgd_sum[0], plain)
ranks_apart = off(*adam_first)
first_last_loss = adam_first[0]["losses"][-1].item()
assert far(sgd_sum[0], doubled) < 1e-9  # exactly a learning rate N times as high
assert sum_off_adam < 0.01 < 0.3 < sum_off_sgd  # Adam hides it
# Two different models, and yet the loss falls.
assert ranks_apart > 0.1 and first_last_loss < 0.5 * first_loss
shares = {
    "sum, SGD": f"{sum_off_sgd:.1%}",
    "sum, AdamW": f"{sum_off_adam:.2%}",
    "first parameter only, AdamW": f"{off(adam_first[0], one):.1%}",
}
pd.DataFrame({"off the joint batch": shares})

# %% name="uneven-tokens"
ragged = {"method": "ddp", "ragged": True}
[[joint]] = launch(1, replicas.train, ragged | {"method": "one process"})
by_token, by_rank = launch(2, replicas.train, ragged, ragged | {"count_all": False})
token_error, rank_off = far(by_token[0], joint), off(by_rank[0], joint)
assert token_error < 1e-9 and far(*by_rank) == 0 and rank_off > 0.05
print(f"divided by all ranks' tokens: largest difference {token_error:.0e}")
print(f"mean of per-rank means: {rank_off:.0%} off, though both ranks agree exactly")

# %% name="memory"
layers, width, ffn, vocab, kv_width = 80, 8192, 28672, 128256, 1024  # Llama 3 70B
attention = 2 * width * width + 2 * width * kv_width
layer = attention + 3 * width * ffn + 2 * width
params = 2 * vocab * width + layers * layer + width
GB, card = 1e9, 80  # an 80 GB card


def state_gb(stage: int, n: float, psi: float = params) -> float:
    """Per GPU: 12 B of fp32 copy and Adam moments, 2 B of gradient, 2 B of weight."""
    optimizer, gradient, weight = (n if stage > i else 1 for i in range(3))
    return psi * (12 / optimizer + 2 / gradient + 2 / weight) / GB


zero_0, zero_1, zero_2, zero_3 = zero = [state_gb(stage, 64) for stage in range(4)]
floor_1, floor_2 = 4 * params / GB, 2 * params / GB  # what no number of GPUs divides
assert 70e9 < params < 71e9 and zero_2 > card > zero_3

tokens = 8192  # one sequence
acts_full = layers * 34 * tokens * width / GB  # everything kept
acts_ckpt = layers * 2 * tokens * width / GB  # block inputs only
acts_tp, params_b = acts_full / 8, params / 1e9
# Two layouts of 128 GPUs: FSDP alone, recomputing; TP 8 x DP 16 with ZeRO-1.
fsdp_gb = state_gb(3, 128) + acts_ckpt
layout_gb = state_gb(1, 16, params / 8) + acts_tp
assert acts_full > card > layout_gb > fsdp_gb
stages = pd.DataFrame(
    {
        "sharded": ["nothing (DDP)", "optimiser", "+ gradients", "+ weights (FSDP)"],
        "GB per GPU, 64 GPUs": zero,
        "GB per GPU, 1024 GPUs": [state_gb(stage, 1024) for stage in range(4)],
    }
)
stages.round(1).rename_axis("ZeRO stage")

# %% name="memory-figure" tags=["hide-input"]
n = 2 ** np.arange(0, 11)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for stage, style in enumerate(("-", "--", "-.", "-")):
    label = f"ZeRO-{stage}" if stage else "DDP"
    ax.plot(n, [state_gb(stage, k) for k in n], style, label=label)
ax.axhline(card, linestyle=":", color="tab:gray", label="80 GB card")
ax.set(xscale="log", yscale="log", xlabel="data-parallel GPUs")
ax.set_ylabel("model state per GPU (GB)")
ax.legend(ncols=2)
plt.show()

# %% name="communication"
flops = 400e12  # sustained FLOP/s
nic, nvlink = 50e9, 450e9  # bytes/s one way: 400 Gb/s NIC, NVLink
compute = 6 * params * tokens / flops  # seconds a GPU, one sequence
tp_compute, stage_compute = compute / 8, compute / 16
grads = 2 * params  # bytes, bf16
block = 2 * tokens * width  # bytes of one activation, bf16
tp_bytes = layers * 4 * 2 * 7 / 8 * block  # 4 all-reduces a layer, 8 ranks

ddp_wire = 2 * 63 / 64 * grads / nic
fsdp_wire = 3 * 63 / 64 * grads / nic
links = {
    "DDP, 1 gradient all-reduce": [ddp_wire, compute],
    "FSDP, 2 gathers + 1 scatter": [fsdp_wire, compute],
    "TP 8 over NVLink": [tp_bytes / nvlink, tp_compute],
    "TP 8 over the NIC": [tp_bytes / nic, tp_compute],
    "16 stages, NIC": [2 * block / nic, stage_compute],
}
break_even = flops / nic  # tokens per GPU and micro-batch that cover FSDP's bytes
assert abs(compute * break_even / tokens / (3 * grads / nic) - 1) < 1e-6
tp_nvlink, tp_nic = (tp_bytes / link / tp_compute for link in (nvlink, nic))
assert tp_nvlink < 0.5 and tp_nic > 1
pd.DataFrame(links, index=["seconds on the wire", "seconds of compute"]).T.round(3)

# %% name="limits"
widest_dp = (4 << 20) // tokens  # a batch of 4 Mi tokens, one sequence a GPU
bubble_16, bubble_64, bubble_240 = (15 / (m + 15) for m in (16, 64, 240))  # 16 stages
mtbf_gpu = 54 * 24 * 16384 / 419  # GPU hours between interruptions, Llama 3
mtbf_1k, mtbf_16k = mtbf_gpu / 1024, mtbf_gpu / 16384
# Young's interval for a checkpoint of 1 minute.
save_minutes = (2 * (1 / 60) * mtbf_16k) ** 0.5 * 60

lengths = np.random.default_rng(0).lognormal(6, 1.2, 64 * 64).clip(16, 8192)  # tokens
dealt, packed = lengths.reshape(64, 64).sum(axis=1), np.zeros(64)
for length in np.sort(lengths)[::-1]:  # longest first, to the rank with the least
    packed[packed.argmin()] += length
straggle, straggle_packed = dealt.max() / dealt.mean(), packed.max() / packed.mean()
assert straggle > 1.2 and straggle_packed < 1.02
print(f"widest data parallelism: {widest_dp} GPUs")
print(f"bubble: {bubble_16:.0%}, {bubble_64:.0%}, {bubble_240:.0%}")
print(f"step time: dealt at random {straggle:.2f}, packed {straggle_packed:.2f}")
print(f"hours between interruptions: {mtbf_1k:.0f}, {mtbf_16k:.1f}")
