# ---
# jupyter:
#   qa:
#     seconds: 25
# ---

# %% [markdown]
# # 如何压缩模型、加速推理？ · How do you compress a model?
#
# 一个训练好的模型压成八种样子，字节、准确率、延迟出自同一次运行；再看稀疏核、离群值、4 位分组、蒸馏，最后算解码的带宽账。
#
# One trained model in eight forms, with bytes, accuracy and latency from one run; then sparse kernels, outliers, 4-bit groups, distillation, and the bandwidth arithmetic of decoding.

# %% name="prune"
import copy
from functools import partial

import digit_mlp as net
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import quantizers as quant
import torch
from scipy import sparse
from stopwatch import compare, medians
from torch.nn.utils import parametrizations, prune

model = net.train(net.mlp(64, net.WIDTH, net.WIDTH, 10), 160)
sparse_net, narrow_net = copy.deepcopy(model), net.narrow(model, net.WIDTH // 4)
weights = [(layer, "weight") for layer in net.linears(sparse_net)]
prune.global_unstructured(weights, prune.L1Unstructured, amount=0.9)
whole = net.accuracy(model)
sparse_cut, narrow_cut = net.accuracy(sparse_net), net.accuracy(narrow_net)

net.train(sparse_net, 80)
net.train(narrow_net, 160)
# So far a mask; now the zeros are in the weights, which keep their shape.
for layer, name in weights:
    prune.remove(layer, name)
sparse_tuned, narrow_tuned = net.accuracy(sparse_net), net.accuracy(narrow_net)
assert sparse_tuned > sparse_cut + 0.02 and narrow_tuned > narrow_cut + 0.05
pd.DataFrame(
    {
        "after the cut": [whole, sparse_cut, narrow_cut],
        "after tuning": [whole, sparse_tuned, narrow_tuned],
    },
    index=["whole model", "90% of weights to zero", "3/4 of neurons removed"],
).round(3)

# %% name="table" tags=["volatile"]
with torch.no_grad():
    soft = model(net.train_x).softmax(1)  # the teacher's probabilities
student = net.train(net.mlp(64, 64, 10), 500, soft, lr=1e-2)
full = net.to_onnx(model, "fp32.onnx")
slim = net.to_onnx(narrow_net, "slim.onnx")
files = {
    "fp32": full,
    "fp16": net.to_onnx(model, "fp16.onnx", np.float16),
    "int8": quant.int8_file(full, "int8.onnx"),
    "int4 weights only": quant.int4_file(full, "int4.onnx"),
    "90% zeros": net.to_onnx(sparse_net, "zeros.onnx"),
    "1/4 of the neurons": slim,
    "1/4, then int8": quant.int8_file(slim, "slim8.onnx"),
    "distilled student": net.to_onnx(student, "student.onnx"),
}
table = compare(
    files, net.test_x.numpy(), net.test_y.numpy(), batches=(1, 16, 256), rounds=7
)
latency = table.filter(like="batch")
speed = latency.loc["fp32"] / latency  # how many times as fast as fp32
int8_1, int8_16, int8_256 = speed.loc["int8"]
int4_1, int4_16, int4_256 = speed.loc["int4 weights only"]
zeros_1, zeros_16, zeros_256 = speed.loc["90% zeros"]
slim_1, slim_16, slim_256 = speed.loc["1/4 of the neurons"]
size = table["file (MB)"] / table["file (MB)"]["fp32"]
zeros_zip = table["zipped (MB)"]["90% zeros"] / table["file (MB)"]["fp32"]
assert size["int8"] < 0.3 and size["int4 weights only"] < 0.2
assert table.accuracy[["int8", "int4 weights only"]].min() > whole - 0.02
# Whatever the CPU's instructions: zeros are multiplied, missing neurons are not.
assert max(zeros_1, zeros_16, zeros_256) < 1.6
assert min(slim_1, slim_16, slim_256) > 2
assert size["90% zeros"] > 0.99 and zeros_zip < 0.4
table.round(3)

# %% name="sparse-kernel" tags=["hide-input", "volatile"]
shares, rng = np.array([0.5, 0.7, 0.9, 0.95, 0.98]), np.random.default_rng(0)
middle = net.linears(model)[1].weight.detach().numpy()
slower = {1: [], 256: []}  # time of the sparse kernel over the dense one, by batch
for share in shares:
    cut = np.where(np.abs(middle) > np.quantile(np.abs(middle), share), middle, 0)
    csr = sparse.csr_array(cut)
    for n, ratios in slower.items():
        columns = rng.standard_normal((net.WIDTH, n)).astype(np.float32)
        calls = {"csr": partial(csr.dot, columns), "dense": partial(cut.dot, columns)}
        took = medians(calls, rounds=3)
        ratios.append(took["csr"] / took["dense"])
csr_half_1, csr_half_256, csr_98 = slower[1][0], slower[256][0], slower[1][-1]
assert csr_half_1 > 1 and csr_half_256 > 1.2 and csr_98 < 1
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for n, ratios in slower.items():
    ax.plot(100 * shares, ratios, "o-", label=f"batch {n}")
ax.axhline(1, linestyle=":", color="tab:gray")
ax.set(yscale="log", yticks=[0.1, 0.3, 1, 3], yticklabels=["0.1", "0.3", "1", "3"])
ax.set_xlabel("weights that are zero (%)")
ax.set_ylabel("sparse kernel's time\n(multiples of the dense kernel's)")
ax.legend()
plt.show()

# %% name="outliers"
(w0, b0), (w1, b1), (w2, b2) = net.arrays(model)
hidden = np.maximum(net.test_x[::4].numpy() @ w0 + b0, 0)
labels = net.test_y[::4].numpy()
ones = np.ones(net.WIDTH, np.float32)
loud, wide = ones.copy(), ones.copy()
loud[hidden.max(0).argsort()[-8:]] = 100
wide[:8] = 200


def right(matmul, loud: np.ndarray, wide: np.ndarray) -> float:
    """Accuracy; without rounding the factors cancel, so the function is the same."""
    product = matmul(hidden * loud, w1 / loud[:, None] * wide) / wide
    logits = np.maximum(product + b1, 0) @ w2 + b2
    return (logits.argmax(1) == labels).mean()


schemes = {
    "float32": np.matmul,
    "int8, one scale per tensor": quant.per_tensor,
    "int8, per token and channel": quant.per_channel,
    "+ outlier columns in float (LLM.int8)": quant.llm_int8,
    "+ smoothing (SmoothQuant)": quant.smoothquant,
    "FP8, one scale per tensor": quant.fp8_product,
}
trained = [right(scheme, ones, ones) for scheme in schemes.values()]
wider = [right(scheme, ones, wide) for scheme in schemes.values()]
louder = [right(scheme, loud, ones) for scheme in schemes.values()]
exact, naive, finer, *cured = louder
wide_naive, wide_finer = wider[1:3]
assert naive < exact - 0.1 and finer < exact - 0.01 and min(cured) > exact - 0.01
assert wide_naive < wide_finer - 0.1
columns = ["as trained", "8 wide weight channels", "8 loud activations"]
pd.DataFrame(zip(trained, wider, louder), schemes, columns).round(3)

# %% name="four-bit"
calib = np.maximum(net.train_x[::5].numpy() @ w0 + b0, 0)  # none of the test images
part = w1[:, :128]  # 128 output channels
formats = {  # bits per weight, scales included; the weights after rounding
    "int8, per channel": (8, lambda inputs: quant.integer(part, 0)),
    "FP8, per tensor": (8, lambda inputs: quant.fp8(part)),
    "NVFP4": (4.5, lambda inputs: quant.fp4(part, 16, False)),
    "MXFP4": (4.25, lambda inputs: quant.fp4(part, 32, True)),
    "int4, groups of 32": (4.5, lambda inputs: quant.grouped(part, 32)),
    "int4, groups of 128": (4.125, lambda inputs: quant.grouped(part, 128)),
    "+ AWQ": (4.125, lambda inputs: quant.awq(part, inputs, 128)),
    "+ GPTQ": (4.125, lambda inputs: quant.gptq(part, inputs, 128)),
}


def relative(inputs: np.ndarray, rounded: np.ndarray) -> float:
    return np.linalg.norm(inputs @ (rounded - part)) / np.linalg.norm(inputs @ part)


rows = {}
for name, (bits, rounding) in formats.items():
    rounded = rounding(calib)
    rows[name] = {
        "bits per weight": bits,
        "weight error": relative(np.eye(net.WIDTH), rounded),
        "output error": relative(hidden, rounded),
        "with loud activations": relative(hidden * loud, rounding(calib * loud)),
    }
error = pd.DataFrame.from_dict(rows, orient="index")
_, weight_rtn, out_rtn, loud_rtn = error.loc["int4, groups of 128"]
_, weight_gptq, out_gptq, _ = error.loc["+ GPTQ"]
loud_awq = error["with loud activations"]["+ AWQ"]
assert out_gptq < 0.7 * out_rtn and weight_gptq > weight_rtn
assert loud_awq < 0.75 * loud_rtn
percent = error.drop(columns="bits per weight").map("{:.2%}".format)
percent.insert(0, "bits per weight", error["bits per weight"])
percent

# %% name="group-size" tags=["hide-input"]
sizes = 2 ** np.arange(4, 11)
bits = 4 + 16 / sizes
by_size = [relative(np.eye(net.WIDTH), quant.grouped(part, g)) for g in sizes]
group_16, group_128, group_all = by_size[0], by_size[3], by_size[-1]
assert (np.diff(by_size) > 0).all() and group_all > 1.3 * group_16
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.plot(bits, 100 * np.array(by_size), "o-", label="int4, 16-bit scale per group")
for g, x, y in zip(sizes, bits, by_size):
    ax.annotate(g, (x, 100 * y), xytext=(4, 4), textcoords="offset points")
for name, mark in (("NVFP4", "s"), ("MXFP4", "^")):
    x, y = error.loc[name, ["bits per weight", "weight error"]]
    ax.plot(x, 100 * y, mark, label=name)
ax.set_xlabel("bits per weight, scales included (labels: group size)")
ax.set_ylabel("error of the weights (%)")
ax.margins(y=0.12)
ax.legend()
plt.show()

# %% name="distillation"
hard, counts = torch.nn.functional.one_hot(net.train_y, 10).float(), [50, 200, 800]
arms = [(n, hard) for n in counts] + [(n, soft) for n in counts]
reached = net.students(arms, seeds=8, hidden=24, steps=400)  # [arm, seed]
alone, same_images, distilled = reached[:3], reached[3:], reached[5]
gain = 100 * (distilled - alone)  # points, paired by seed
T_95 = 2.365  # Student's t with 7 degrees of freedom
lead_50, lead_200, lead_800 = lead = gain.mean(1)
half_50, half_200, half_800 = half = T_95 * gain.std(1, ddof=1) / 8**0.5
assert lead_50 - half_50 > 5 and abs(lead_800) < 3
pd.DataFrame(
    {
        "labels alone": alone.mean(1),
        "teacher, same images": same_images.mean(1),
        "teacher, all 800 images": distilled.mean(),
        "lead (points)": lead,
        "95% interval (±)": half,
    },
    index=pd.Index(counts, name="labelled images"),
).round(3)

# %% name="sharing"
layers, width, ffn, vocab, kv_width = 32, 4096, 14336, 128256, 1024  # Llama 3 8B
# A token's keys and values in bf16, head width 128, for 32, 8 and 1 KV heads.
mha_kib, gqa_kib, mqa_kib = (layers * 2 * h * 128 * 2 / 1024 for h in (32, 8, 1))

# Llama 3.2 1B: attention, FFN and norms of 16 layers, last norm, embedding.
small_layer = 2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048
embedding = vocab * 2048
tied = 16 * small_layer + 2048 + embedding
saved = embedding / (tied + embedding)

layer = torch.nn.Linear(net.WIDTH, net.WIDTH)
before = sum(p.numel() for p in layer.parameters())
normed = sum(p.numel() for p in parametrizations.weight_norm(layer).parameters())
assert normed == before + net.WIDTH  # one more number per output: nothing is shared
print(f"Llama 3.2 1B: {tied / 1e6:,.0f} M tied, {(tied + embedding) / 1e6:,.0f} M not")
print(f"8B cache, KiB per token: {mha_kib:.0f}, {gqa_kib:.0f}, {mqa_kib:.0f}")
print(f"weight_norm: {before:,} -> {normed:,} parameters")

# %% name="roofline"
HBM, BF16, FP8 = 3.35e12, 989e12, 1979e12  # H100 SXM: bytes/s, dense FLOP/s
INT4 = 4.125 / 8  # bytes a weight, groups of 128
# All weights but the embedding, of which a token reads one row.
read = layers * (2 * width * (width + kv_width) + 3 * width * ffn) + vocab * width
cache = 64 * 4096 * gqa_kib * 1024  # bytes for 64 sequences of 4,096 tokens
kinds = {  # bytes a weight, FLOP/s, bytes of the cache against bf16
    "bf16": (2, BF16, 1),
    "int4 weights": (INT4, BF16, 1),
    "fp8": (1, FP8, 1),
    "int4 + fp8 KV": (INT4, BF16, 0.5),
}
work = {  # tokens, bytes of cache in bf16
    "decode, 1 sequence": (1, 0),
    "decode, 64 x 4,096 cached": (64, cache),
    "prefill, 4,096 tokens": (4096, 0),
}


def step(tokens: float, cached: float, size: float, peak: float, kv: float) -> float:
    """Milliseconds: all is read once, 2 FLOP a weight and token; the longer counts."""
    return 1e3 * max((read * size + cached * kv) / HBM, 2 * read * tokens / peak)


times = pd.DataFrame(
    {k: {w: step(*work[w], *kinds[k]) for w in work} for k in kinds}
).rename_axis("ms a step")
one, many, prefill = (times.loc[w] for w in work)
bf16_one, int4_one = one["bf16"], one["int4 weights"]
speed_kv = many["bf16"] / many["int4 + fp8 KV"]
fp8_prefill = prefill["bf16"] / prefill["fp8"]
weights_gb, cache_gb = 2 * read / 1e9, cache / 1e9
# Tokens a step at which arithmetic takes over from reading.
ridge, ridge_int4 = BF16 / HBM, INT4 * BF16 / (2 * HBM)
speed_one, speed_many, speed_prefill = times["bf16"] / times["int4 weights"]
assert speed_one > 3.5 and speed_prefill == 1 and 1 < speed_many < 1.5
times.round(2)

# %% name="offloading"
PCIE = 64e9  # bytes/s one way
# Mixtral 8x7B: a token uses 2 experts in each of 32 layers.
experts = 2 * 32 * 3 * 4096 * 14336
offload_bf16, offload_int4 = 2 * experts / PCIE, INT4 * experts / PCIE  # s a token
hit_needed = 1 - 1 / (20 * offload_int4)  # of expert reads, for 20 tokens a second
print(f"no expert resident: {offload_bf16:.2f} s a token, int4 {offload_int4:.2f} s")
print(f"hit rate for 20 tokens/s with int4 experts: {hit_needed:.0%}")

# %% name="roofline-figure" tags=["hide-input"]
n = np.geomspace(1, 4096, 200)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for kind, style in {"bf16": "-", "int4 weights": "--", "fp8": "-."}.items():
    ax.plot(n, [step(k, 0, *kinds[kind]) for k in n], style, label=kind)
ax.set(xscale="log", yscale="log", ylabel="time of the step (ms)")
ax.set_xlabel("tokens in one step (decodes in a batch, or a prompt)")
ax.legend()
plt.show()
