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
methods = ["ddp", "all_reduce_mean", "fsdp"]
runs = dict(zip(methods, launch(2, replicas.train, *({"method": m} for m in methods))))


def far(a: dict, b: dict) -> float:
    """Largest difference of any weight between two runs."""
    return (a["weights"] - b["weights"]).abs().max().item()


for ranks in runs.values():
    assert all(far(r, one) < 1e-9 for r in ranks), "not the joint batch's weights"
    assert far(*ranks) == 0, "ranks have drifted apart"
ddp_error = max(far(r, one) for r in runs["ddp"])
fsdp_share = runs["fsdp"][0]["held"] / one["held"]
first_loss, last_loss = one["losses"][0].item(), one["losses"][-1].item()
assert runs["ddp"][0]["held"] == one["held"] and abs(fsdp_share - 1 / 2) < 0.01
assert last_loss < 0.5 * first_loss
pd.DataFrame(
    {
        "largest weight difference": {
            m: f"{far(r[0], one):.0e}" for m, r in runs.items()
        },
        "between ranks": {m: far(*r) for m, r in runs.items()},
        "state per rank (MB)": {
            m: f"{r[0]['held'] / 1e6:.2f}" for m, r in runs.items()
        },
    }
)

# %% name="ring-bytes"
size = 6 << 20  # bytes; splits evenly over 2, 3 and 4 ranks
worlds = [2, 3, 4]
exchanged = {n: launch(n, replicas.exchange, {"size": size})[0] for n in worlds}
rows = {
    n: {
        "ring, every rank": max(r["ring"] for r in ranks) / size,
        "2(N-1)/N": 2 * (n - 1) / n,
        "server, rank 0": ranks[0]["server"] / size,
        "N-1": n - 1,
        "reduce-scatter on gloo": ranks[0]["reduce_scatter"] / size,
    }
    for n, ranks in exchanged.items()
}
for n, row in rows.items():
    assert all(abs(r["ring"] / size / row["2(N-1)/N"] - 1) < 0.02 for r in exchanged[n])
    assert abs(row["server, rank 0"] / row["N-1"] - 1) < 0.02
    assert (
        abs(row["reduce-scatter on gloo"] / row["2(N-1)/N"] - 1) < 0.02
    )  # an all-reduce in disguise
    assert {r["sum"] for r in exchanged[n]} == {float(n)}
ring_four, server_four = rows[4]["ring, every rank"], rows[4]["server, rank 0"]
pd.DataFrame(rows).T.rename_axis("ranks N").round(3)

# %% name="ring-figure" tags=["hide-input"]
n = np.arange(2, 17)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for label, curve, column in (
    ("parameter server: N-1", n - 1, "server, rank 0"),
    ("ring all-reduce: 2(N-1)/N", 2 * (n - 1) / n, "ring, every rank"),
):
    (line,) = ax.plot(n, curve, label=label)
    ax.plot(
        worlds,
        [rows[w][column] for w in worlds],
        "o",
        color=line.get_color(),
        label="measured",
    )
ax.set(
    xlabel="ranks N",
    ylabel="bytes sent by the busiest rank\n(multiples of the gradient)",
)
ax.legend()
plt.show()

# %% name="step-bytes"
cases = {
    "DDP": ("ddp", 1, 1.5),
    "DDP, 4 micro-batches": ("ddp", 4, 6.0),
    "DDP, 4 micro-batches, no_sync": ("no_sync", 4, 1.5),
    "DDP, gradients as fp16": ("fp16", 1, 0.75),
    "FSDP": ("fsdp", 1, 3.0),
    "FSDP, 4 micro-batches": ("fsdp", 4, 12.0),
}
steps = launch(
    4,
    replicas.step_traffic,
    *({"method": m, "micro_batches": k} for m, k, _ in cases.values()),
)
sent = {name: ranks[0]["sent"] / ranks[0]["size"] for name, ranks in zip(cases, steps)}
for name, (_, _, formula) in cases.items():
    assert abs(sent[name] / formula - 1) < 0.05, (name, sent[name])
step_ddp, step_naive, step_no_sync, step_fp16, step_fsdp, step_fsdp_4 = sent.values()
pd.DataFrame(
    {
        "bytes sent / gradient bytes": sent,
        "formula, N=4": {k: c[2] for k, c in cases.items()},
    }
).round(2)

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
activation = splits.TOKENS * splits.WIDTH * 4  # bytes, float32
per_token = splits.WIDTH * 4
expected = {
    "tensor, forward": (tensor, activation),
    "pipeline, 4 micro-batches": (pipe, activation),
    "experts, even routing": (expert, expert[0]["moved"] * per_token),
    "experts, skewed routing": (skewed, skewed[0]["moved"] * per_token),
}
for name, (ranks, formula) in expected.items():
    assert all(r["error"] < 1e-4 for r in ranks), name
    assert abs(ranks[0]["sent"] / formula - 1) < 0.03, (name, ranks[0]["sent"], formula)
    assert abs(ranks[0]["held"] - 0.5) < 0.01
expert_busy = max(r["tokens"] for r in skewed) / splits.TOKENS
expert_even = max(r["tokens"] for r in expert) / splits.TOKENS
assert expert_busy > 1.2 > expert_even
pd.DataFrame(
    {
        "parameters per rank": {
            k: f"{r[0]['held']:.0%}" for k, (r, _) in expected.items()
        },
        "KiB sent by rank 0": {
            k: round(r[0]["sent"] / 1024) for k, (r, _) in expected.items()
        },
        "formula (KiB)": {k: round(f / 1024) for k, (_, f) in expected.items()},
    }
)

# %% name="wrong-sync"
broken = ["all_reduce_sum", "first_parameter_only"]
adam_sum, adam_first = launch(2, replicas.train, *({"method": m} for m in broken))
sgd = {"optimizer": "SGD", "lr": 0.1}
[[plain], [doubled]] = launch(
    1,
    replicas.train,
    {"method": "one process", **sgd},
    {"method": "one process", "optimizer": "SGD", "lr": 0.2},
)
[sgd_sum] = launch(2, replicas.train, {"method": "all_reduce_sum", **sgd})


def off(run: dict, reference: dict) -> float:
    """Distance from the right weights, as a share of the way training went."""
    moved = (reference["weights"] - reference["start"]).norm()
    return ((run["weights"] - reference["weights"]).norm() / moved).item()


sum_off_adam, sum_off_sgd = off(adam_sum[0], one), off(sgd_sum[0], plain)
assert far(sgd_sum[0], doubled) < 1e-9  # exactly a learning rate N times as high
assert sum_off_adam < 0.01 < 0.3 < sum_off_sgd  # Adam hides it
ranks_apart = off(*adam_first)
first_last_loss = adam_first[0]["losses"][-1].item()
assert (
    ranks_apart > 0.1 and first_last_loss < 0.5 * first_loss
)  # two models, and yet the loss falls
pd.DataFrame(
    {
        "off the joint batch": {
            "sum, SGD": f"{sum_off_sgd:.1%}",
            "sum, AdamW": f"{sum_off_adam:.2%}",
            "first parameter only, AdamW": f"{off(adam_first[0], one):.1%}",
        }
    }
)

# %% name="uneven-tokens"
[[joint]] = launch(1, replicas.train, {"method": "one process", "ragged": True})
by_token, by_rank = launch(
    2,
    replicas.train,
    *({"method": "ddp", "ragged": True, "count_all": c} for c in (True, False)),
)
token_error, rank_off = far(by_token[0], joint), off(by_rank[0], joint)
assert token_error < 1e-9 and far(*by_rank) == 0 and rank_off > 0.05
print(f"divided by all ranks' tokens: largest difference {token_error:.0e}")
print(f"mean of per-rank means: {rank_off:.0%} off, though both ranks agree exactly")

# %% name="memory"
layers, width, ffn, vocab, kv_width = 80, 8192, 28672, 128256, 1024  # Llama 3 70B
params = (
    2 * vocab * width
    + width
    + layers * (2 * width * width + 2 * width * kv_width + 3 * width * ffn + 2 * width)
)
gpus, card = 64, 80  # 80 GB cards
GB = 1e9


def per_gpu(stage: int, n: float, psi: float = params) -> float:
    """GB of model state a GPU: 2 B weights, 2 B gradients, 12 B fp32 copy and Adam moments."""
    shards = [n if stage > i else 1 for i in range(3)]
    return psi * (12 / shards[0] + 2 / shards[1] + 2 / shards[2]) / GB


zero = [per_gpu(stage, gpus) for stage in range(4)]
assert 70e9 < params < 71e9 and zero[2] > card > zero[3]
tokens = 8192  # one sequence
acts_full, acts_ckpt = (
    layers * tokens * width * k / GB for k in (34, 2)
)  # all kept; block inputs only
acts_tp, params_b = acts_full / 8, params / 1e9
fsdp_gb = per_gpu(3, 128) + acts_ckpt  # 128 GPUs, FSDP alone, recomputing
layout_gb = (
    per_gpu(1, 16, params / 8) + acts_tp
)  # 128 GPUs as TP 8 x DP 16, ZeRO-1, nothing recomputed
assert acts_full > card > layout_gb > fsdp_gb
zero_0, zero_1, zero_2, zero_3 = zero
floor_1, floor_2 = 4 * params / GB, 2 * params / GB  # what no number of GPUs divides
pd.DataFrame(
    {
        "sharded": [
            "nothing (DDP)",
            "optimiser state",
            "+ gradients",
            "+ weights (FSDP)",
        ],
        "GB per GPU, 64 GPUs": np.round(zero, 1),
        "GB per GPU, 1024 GPUs": np.round([per_gpu(s, 1024) for s in range(4)], 1),
    }
).rename_axis("ZeRO stage")

# %% name="memory-figure" tags=["hide-input"]
n = 2 ** np.arange(0, 11)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for stage, style in enumerate(("-", "--", "-.", "-")):
    ax.plot(
        n,
        [per_gpu(stage, k) for k in n],
        style,
        label=f"ZeRO-{stage}" if stage else "DDP",
    )
ax.axhline(card, linestyle=":", color="tab:gray", label="80 GB card")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="data-parallel GPUs",
    ylabel="model state per GPU (GB)",
)
ax.legend(ncols=2)
plt.show()

# %% name="communication"
flops, nic, nvlink = (
    400e12,
    50e9,
    450e9,
)  # sustained FLOP/s; bytes/s one way: 400 Gb/s NIC, NVLink
compute = 6 * params * tokens / flops  # seconds a GPU, one sequence
grads = 2 * params  # bytes, bf16
links = {
    "DDP, 1 gradient all-reduce": 2 * 63 / 64 * grads / nic,
    "FSDP, 2 gathers + 1 scatter": 3 * 63 / 64 * grads / nic,
}
block = 2 * tokens * width  # bytes of one activation, bf16
tp = layers * 4 * 2 * 7 / 8 * block  # 4 all-reduces a layer, 8 ranks
tp_compute, stage_compute = compute / 8, compute / 16
links |= {
    "TP 8 over NVLink": tp / nvlink,
    "TP 8 over the NIC": tp / nic,
    "16 stages, NIC": 2 * block / nic,
}
ddp_wire, fsdp_wire = (
    links["DDP, 1 gradient all-reduce"],
    links["FSDP, 2 gathers + 1 scatter"],
)
break_even = (
    flops / nic
)  # tokens per GPU and micro-batch at which FSDP's bytes are covered
assert abs(compute * break_even / tokens / (3 * grads / nic) - 1) < 1e-6
tp_nvlink, tp_nic = tp / nvlink / tp_compute, tp / nic / tp_compute
assert tp_nvlink < 0.5 and tp_nic > 1
pd.DataFrame(
    {
        "seconds on the wire": links,
        "seconds of compute": dict(
            zip(links, (compute, compute, tp_compute, tp_compute, stage_compute))
        ),
    }
).round(3)

# %% name="limits"
widest_dp = (
    4 << 20
) // tokens  # a batch of 4 Mi tokens, one sequence a GPU and no less
bubble = {m: 15 / (m + 15) for m in (16, 64, 240)}  # 16 stages, m micro-batches
mtbf_gpu = 54 * 24 * 16384 / 419  # GPU hours between unexpected interruptions, Llama 3
mtbf_1k, mtbf_16k = mtbf_gpu / 1024, mtbf_gpu / 16384
save_minutes = (
    2 * (1 / 60) * mtbf_16k
) ** 0.5 * 60  # Young's interval for a 1-minute checkpoint
bubble_16, bubble_64, bubble_240 = bubble.values()
rng = np.random.default_rng(0)
lengths = rng.lognormal(6, 1.2, size=64 * 64).clip(16, 8192)  # tokens a document
dealt = lengths.reshape(64, 64).sum(axis=1)
packed = np.zeros(64)
for length in np.sort(lengths)[::-1]:  # longest first, to the rank with the least
    packed[packed.argmin()] += length
straggle, straggle_packed = dealt.max() / dealt.mean(), packed.max() / packed.mean()
assert straggle > 1.2 and straggle_packed < 1.02
print(
    f"widest data parallelism: {widest_dp} GPUs; bubble {bubble_16:.0%}, {bubble_64:.0%}, {bubble_240:.0%}"
)
print(
    f"step time against a balanced one: dealt at random {straggle:.2f}, packed {straggle_packed:.3f}"
)
print(
    f"an interruption every {mtbf_1k:.0f} h at 1,024 GPUs, {mtbf_16k:.1f} h at 16,384"
)
