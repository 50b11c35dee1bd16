# %% [markdown]
# # 如何做有效的分布式训练？ · How do you train a model across many devices?
#
# 先按公开的模型形状与设备算显存和通信，与公开的训练对照；再在真实的 gloo 进程上验证权重等价、字节数和专家并行。
#
# Memory and traffic from published shapes and devices first, held to published runs; then, on real gloo processes, equal weights, bytes and expert parallelism.

# %% name="memory"
import numpy as np
import pandas as pd
from costs import PARAMS, SMALL, TOKENS, activations_gb, fact, state_gb

card = fact("h100_sxm.memory_gb")
by_ranks = {n: [state_gb(stage, n) for stage in range(4)] for n in (64, 1024)}
zero_0, zero_1, zero_2, zero_3 = by_ranks[64]
floor_1, floor_2 = 4 * PARAMS / 1e9, 2 * PARAMS / 1e9  # what no number of GPUs divides
assert zero_0 > 1100 and zero_1 > by_ranks[1024][1] > floor_1 > card
assert zero_2 > by_ranks[1024][2] > floor_2 > card > 4 * zero_3

# All that recomputing keeps: the inputs of layers, 2 of their 34 bytes.
fsdp_gb = state_gb(3, 128) + activations_gb() * 2 / 34
shard = PARAMS / 8  # of TP 8, with 16 replicas and ZeRO-1
layout_gb = state_gb(1, 16, shard) + activations_gb(8)
fp32_gb = state_gb(1, 16, shard, gradient_bytes=4) + activations_gb(8)
no_sp_gb = state_gb(1, 16, shard) + activations_gb(8, sequence_parallel=False)
assert no_sp_gb > fp32_gb > card > layout_gb > 3 * fsdp_gb
hsdp_gb = state_gb(3, 8)  # sharded inside the node only
assert min(activations_gb(), hsdp_gb, floor_2) > card
# torchtitan, FSDP on H100s: GiB a GPU for Llama 3.1 8B on 8 and on 128 GPUs.
state_error = state_gb(3, 8, SMALL.parameters) - state_gb(3, 128, SMALL.parameters)
memory_error = state_error / ((82.4 - 67.0) * 2**30 / 1e9) - 1
assert -0.1 < memory_error < 0
stages = ["none (DDP)", "optimiser", "+ gradients", "+ weights (FSDP)"]
sizes = {f"GB per GPU, {n} GPUs": gb for n, gb in by_ranks.items()}
pd.DataFrame({"sharded": stages} | sizes).round(1).rename_axis("ZeRO stage")

# %% name="communication"
from costs import at_peak, dense, in_fp32, in_node, links, on_b200, resting, sparse

tokens = [f.threshold for f in (dense, sparse, resting, in_fp32)]
fsdp_tokens, moe_tokens, resting_tokens, fp32_tokens = tokens
peak_tokens, b200_tokens = at_peak.threshold, on_b200.threshold
node_tokens = in_node.threshold
assert round(fsdp_tokens) == 1000 and 2400 < peak_tokens < 2500
assert 1330 < fp32_tokens < 1340 and 0.7 < node_tokens / fsdp_tokens < 0.8
assert b200_tokens > 2.2 * peak_tokens
assert 18 < moe_tokens / fsdp_tokens < 18.5 and resting_tokens < fsdp_tokens / 2
# The schedule, layer by layer, agrees with the formula.
assert dense.hidden(fsdp_tokens) > 0.98 and 0.49 < dense.hidden(fsdp_tokens / 2) < 0.51
table = links()
ratio = table["wire / compute"]
tp_nvlink, tp_nic = ratio["70B, TP 8 over NVLink"], ratio["70B, TP 8 over NICs"]
moe_fsdp, all_to_all = ratio[["671B MoE, FSDP", "671B MoE, tokens to experts"]]
assert abs(ratio["70B, DDP"] / ratio["70B, FSDP"] - 1) < 1e-9  # the same threshold
assert ratio["70B, FSDP"] < tp_nvlink < 0.2 and tp_nic > 1 and moe_fsdp > 2
assert ratio["70B, 16 stages over NICs"] < 0.02 and 0.45 < all_to_all < 0.5
table.round(2)

# %% name="published"
from costs import published

losses = published()
measured, schedule, bare = (losses[column] for column in losses)
assert schedule.between(0.0005, 0.005).all() and (schedule < measured).all()
assert (bare > 0.05).all()
least_lost, most_lost = measured.min(), measured.max()
least_of_bare, most_of_bare = (measured / bare).min(), (measured / bare).max()
assert (
    0.015 < least_lost < most_lost < 0.03 and 0.2 < least_of_bare < most_of_bare < 0.55
)
# Pure data parallelism in the Ultra-Scale Playbook: tokens/s a GPU on 8, 128 and 256.
on_8, on_128, on_256 = 40150, 26446, 15700
ddp_128, ddp_256 = 1 - on_128 / on_8, 1 - on_256 / on_8
assert 10 * most_lost < ddp_128 and 0.33 < ddp_128 < 0.35 and 0.6 < ddp_256
(100 * losses).round(1).add_suffix(" [%]")

# %% name="sweep-tokens" tags=["sweep"] flips="fsdp_tokens"
from costs import sweep_cases

cases = sweep_cases()
grid = pd.Index(
    [2**k for k in range(8, 16)], name="tokens per device and micro-batch [tokens]"
)
sweep = pd.DataFrame(
    {case: [100 * f.hidden(t) for t in grid] for case, f in cases.items()}, grid
)
enough = (sweep > 95).idxmax()  # the first row that hides nearly all
ascend_tokens = cases["70B, Ascend 910B [%]"].threshold
assert enough.tolist() == [1024, 8192, 1024, 32768, 512]
assert sweep.loc[512].iloc[0] < 52 and ascend_tokens < fsdp_tokens
assert abs(ascend_tokens - 0.4 * 353.9e12 / 200e9) < 1  # 40% of its peak, eight NICs
sweep.round(1)

# %% name="limits"
from costs import SUSTAINED
from pace import straggler

widest_dp = (4 << 20) // TOKENS  # a batch of 4 Mi tokens, one sequence a GPU
llama_tokens = (16 << 20) / 16384  # Llama 3 405B: a batch of 16 Mi on 16,384 GPUs
bubble_16, bubble_64, bubble_240 = (15 / (m + 15) for m in (16, 64, 240))
mtbf_16k = 54 * 24 / 419  # hours: Llama 3, 16,384 GPUs
mtbf_1k = 16 * mtbf_16k
save_minutes = 60 * (2 * (1 / 60) * mtbf_16k) ** 0.5  # Young, a checkpoint of 1 minute
chance = [np.random.default_rng(seed) for seed in range(5)]
mixes = [rng.lognormal(6, 1.2, 4096).clip(16, 8192) for rng in chance]
dealt, packed = ([straggler(mix, pack) for mix in mixes] for pack in (False, True))
dealt_least, dealt_most, packed_most = min(dealt), max(dealt), max(packed)
assert 1.3 < dealt_least < dealt_most < 1.7 and packed_most < 1.01
assert bubble_16 > 0.4 and bubble_240 < 0.07 < bubble_64 and widest_dp == 512
assert fsdp_tokens < llama_tokens < peak_tokens / 2  # the lower end of the range
assert 3 < mtbf_16k < 3.2 and 49 < mtbf_1k < 50 and 15 < save_minutes < 25
# Hours of work lost at the default interval; recomputing adds a forward pass.
step_seconds = 8 * PARAMS * TOKENS / SUSTAINED
interval = fact("torchtitan_defaults.checkpoint_interval")
unsaved_hours = interval * step_seconds / 3600
assert 11 < step_seconds < 12 and 1.5 < unsaved_hours < 1.7
print(f"bubble: {bubble_16:.0%}, {bubble_64:.0%}, {bubble_240:.0%}")
print(f"step: dealt {dealt_least:.2f} to {dealt_most:.2f}, packed {packed_most:.3f}")
print(f"hours between interruptions: {mtbf_1k:.0f}, {mtbf_16k:.1f}")

# %% name="experts"
from moe import experts_table

experts = experts_table()
ranks = experts.index.to_numpy()
assert np.allclose(experts["experts held"], 1 / ranks)
bytes_2, bytes_4, bytes_8 = experts["bytes, skewed / mean"]
busy_2, busy_4, busy_8 = busy = experts["tokens, skewed / mean"]
assert (abs(busy / (3 * ranks / (ranks + 2)) - 1) < 0.1).all()  # 3 times as popular
assert abs(bytes_2 - 1) < 0.05 and bytes_4 > 1.2 and bytes_8 > bytes_4 + 0.1
assert busy_2 > 1.4 and busy_4 > bytes_4 + 0.4 and busy_8 > bytes_8 + 0.4
experts.round(2)

# %% name="ring-bytes"
import replicas

ring = replicas.ring_table(2 << 20)
ring_four, server_four, scatter_four = ring.loc[4]
for n, (ring_n, server_n, scatter_n) in ring.iterrows():
    assert abs(ring_n / (2 * (n - 1) / n) - 1) < 0.02 > abs(server_n / (n - 1) - 1)
    assert abs(scatter_n / ring_n - 1) < 0.02
assert [round(share, 1) for share in (ring_four, scatter_four, server_four)] == [
    1.5,
    1.5,
    3,
]
ring.round(3)

# %% name="step-bytes"
step = replicas.step_table()
sent = step["bytes / gradient"]
assert (sent / step["formula, N=4"] - 1).abs().max() < 0.015
step_ddp, step_naive, step_no_sync, step_fp16 = sent[:4]
step_fsdp, step_fsdp_4, step_last_sync, step_kept = sent[4:]
assert [round(share, 1) for share in (step_ddp, step_naive)] == [1.5, 6.0]
assert step_no_sync < step_ddp + 0.01 and step_fp16 < 0.51 * step_ddp
assert 2.7 < step_fsdp < 2.95 and step_fsdp_4 > 3.9 * step_fsdp
assert step_fsdp_4 - 4 > step_last_sync > 2 * step_kept and step_kept < step_fsdp
step.round(2)

# %% name="joint-batch"
from launch import launch
from replicas import far, off

[[one]] = launch(1, replicas.train, {"method": "one process"})
same = replicas.against_one(one)
assert same["largest weight difference"].max() < 1e-9
assert (same["between ranks"] == 0).all()
held = same["state held x N"]
assert np.allclose(held, [2, 2, 1, 4, 1], atol=0.01)  # FSDP holds 1/N, the others all
first_loss, last_loss = one["losses"][0].item(), one["losses"][-1].item()
assert last_loss < 0.9 * first_loss
same

# %% name="wrong-sync"
sgd = {"optimizer": "SGD", "lr": 0.1}
fp32 = {"dtype": replicas.torch.float32, "steps": 1}
right = sgd | {"method": "one process"}
cases = right, right | {"lr": 0.2}, right | fp32
[[plain], [doubled], [one_fp32]] = launch(1, replicas.train, *cases)
total, first = {"method": "all_reduce_sum"}, {"method": "first_parameter_only"}
cases = total, first, sgd | total, sgd | fp32 | {"method": "fsdp"}
adam_sum, adam_first, sgd_sum, two_fp32 = launch(2, replicas.train, *cases)
fp32_off = off(two_fp32[0], one_fp32)
assert fp32_off < 1e-5  # the tolerance of a test in single precision
sum_off_adam, sum_off_sgd = off(adam_sum[0], one), off(sgd_sum[0], plain)
ranks_apart, first_last_loss = off(*adam_first), adam_first[0]["losses"][-1].item()
assert far(sgd_sum[0], doubled) < 1e-9  # exactly a learning rate N times as high
assert sum_off_adam < 0.01 < 0.3 < sum_off_sgd  # Adam hides it
assert ranks_apart > 0.1
assert first_last_loss < 0.9 * first_loss  # and yet the loss falls
size = replicas.VOCAB * replicas.WIDTH  # of the first parameter, which agrees
assert (adam_first[0]["weights"][:size] == adam_first[1]["weights"][:size]).all()
shares = [sum_off_sgd, sum_off_adam, off(adam_first[0], one)]
names = ["sum, SGD", "sum, AdamW", "first parameter only, AdamW"]
pd.DataFrame({"off the joint batch": [f"{share:.2%}" for share in shares]}, names)

# %% name="uneven-tokens"
ragged = {"method": "ddp", "ragged": True}
[[joint]] = launch(1, replicas.train, ragged | {"method": "one process"})
by_token, by_rank = launch(2, replicas.train, ragged, ragged | {"count_all": False})
token_error, rank_off = far(by_token[0], joint), off(by_rank[0], joint)
assert token_error < 1e-9 and far(*by_rank) == 0 and rank_off > 0.05
print(f"divided by all ranks' tokens: largest difference {token_error:.0e}")
print(f"mean of per-rank means: {rank_off:.0%} off, though both ranks agree exactly")
