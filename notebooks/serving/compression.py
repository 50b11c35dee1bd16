# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何压缩模型、加速推理？ · How do you compress a model?
#
# 一个训练好的模型压成八种样子，字节、准确率、延迟出自同一次运行；再看稀疏核、离群值、4 位分组、蒸馏，最后算解码的带宽账。
#
# One trained model in eight forms, with bytes, accuracy and latency from one run; then sparse kernels, outliers, 4-bit groups, distillation, and the bandwidth arithmetic of decoding.

# %% name="prune"
import copy
import zlib
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from digit_mlp import (
    WIDTH,
    accuracy,
    linears,
    mlp,
    narrow,
    students,
    test_x,
    test_y,
    to_onnx,
    train,
    train_x,
    train_y,
)
from quantizers import (
    awq,
    fp4,
    fp8,
    gptq,
    grouped,
    int4_file,
    int8_file,
    integer,
    llm_int8,
    session,
    smoothquant,
    w8a8,
)
from scipy import sparse
from stopwatch import medians
from torch.nn.utils import parametrizations, prune

model = train(mlp(64, WIDTH, WIDTH, 10), 200)
sparse_net, narrow_net = copy.deepcopy(model), narrow(model, WIDTH // 4)
prune.global_unstructured(
    [(layer, "weight") for layer in linears(sparse_net)],
    prune.L1Unstructured,
    amount=0.9,
)
whole, sparse_cut, narrow_cut = (
    accuracy(model),
    accuracy(sparse_net),
    accuracy(narrow_net),
)
train(sparse_net, 100), train(narrow_net, 200)  # both recover by training on
for layer in linears(sparse_net):
    prune.remove(
        layer, "weight"
    )  # so far a mask; now the zeros are in the weights, which keep their shape
sparse_tuned, narrow_tuned = accuracy(sparse_net), accuracy(narrow_net)
assert sparse_tuned > sparse_cut + 0.05 and narrow_tuned > narrow_cut + 0.05
pd.DataFrame(
    {
        "after the cut": [whole, sparse_cut, narrow_cut],
        "after tuning": [whole, sparse_tuned, narrow_tuned],
    },
    index=["whole model", "90% of weights to zero", "3/4 of neurons removed"],
).round(3)

# %% name="table" tags=["volatile"]
with torch.no_grad():
    soft = model(train_x).softmax(1)  # the teacher's probabilities
full, slim = to_onnx(model, "fp32.onnx"), to_onnx(narrow_net, "slim.onnx")
files = {
    "fp32": full,
    "fp16": to_onnx(model, "fp16.onnx", np.float16),
    "int8": int8_file(full, "int8.onnx"),
    "int4 weights only": int4_file(full, "int4.onnx"),
    "90% zeros": to_onnx(sparse_net, "zeros.onnx"),
    "1/4 of the neurons": slim,
    "1/4, then int8": int8_file(slim, "slim8.onnx"),
    "distilled student": to_onnx(
        train(mlp(64, 64, 10), 600, soft, lr=1e-2), "student.onnx"
    ),
}
run = {k: session(f).run for k, f in files.items()}  # one thread
x = {k: test_x.numpy().astype(np.float16 if k == "fp16" else np.float32) for k in files}
hits = {
    k: (run[k](None, {"x": x[k]})[0].argmax(1) == test_y.numpy()).mean() for k in files
}
ms = medians(
    {
        (k, n): partial(run[k], None, {"x": x[k][:n]})
        for k in files
        for n in (1, 16, 256)
    },
    rounds=25,
)
mb = {k: Path(f).stat().st_size / 1e6 for k, f in files.items()}
zipped = {
    k: len(zlib.compress(Path(f).read_bytes(), 1)) / 1e6 for k, f in files.items()
}
gain = {
    key: ms["fp32", key[1]] / t for key, t in ms.items()
}  # how many times as fast as fp32
assert hits["int8"] > whole - 0.01 and hits["int4 weights only"] > whole - 0.03
assert (
    gain["90% zeros", 1] < 1.4
    and mb["90% zeros"] > 0.99 * mb["fp32"]
    and zipped["90% zeros"] < 0.4 * mb["fp32"]
)
assert (
    gain["1/4 of the neurons", 1] > 2
    and gain["int8", 1] > 1.3
    and gain["fp16", 1] < 1.5
)
assert (
    gain["int4 weights only", 1] > 1.5 * gain["int4 weights only", 16]
    and gain["int4 weights only", 256] < 1.3
)
int8_1, int8_256, zeros_zip = (
    gain["int8", 1],
    gain["int8", 256],
    zipped["90% zeros"] / mb["fp32"],
)
int4_1, int4_16, int4_256 = (gain["int4 weights only", n] for n in (1, 16, 256))
zeros_1, slim_1, slim_256 = (
    gain["90% zeros", 1],
    gain["1/4 of the neurons", 1],
    gain["1/4 of the neurons", 256],
)
pd.DataFrame(
    {
        "file (MB)": mb,
        "zipped (MB)": zipped,
        "accuracy": hits,
        **{f"batch {n} (ms)": {k: ms[k, n] for k in files} for n in (1, 16, 256)},
    }
).round(3)

# %% name="sparse-kernel" tags=["hide-input", "volatile"]
shares, rng = np.array([0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98]), np.random.default_rng(0)
middle = linears(model)[1].weight.detach().numpy()
slower = {1: [], 256: []}  # time of the sparse kernel over the dense one, by batch
for share in shares:
    cut = np.where(np.abs(middle) > np.quantile(np.abs(middle), share), middle, 0)
    for n, ratios in slower.items():
        columns = rng.standard_normal((WIDTH, n)).astype(np.float32)
        took = medians(
            {
                "csr": partial(sparse.csr_array(cut).dot, columns),
                "dense": partial(cut.dot, columns),
            },
            9,
        )
        ratios.append(took["csr"] / took["dense"])
csr_half_1, csr_half_256, csr_98 = slower[1][0], slower[256][0], slower[1][-1]
assert csr_half_1 > 1.2 and csr_half_256 > 1.2 and csr_98 < 0.7
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for n, ratios in slower.items():
    ax.plot(100 * shares, ratios, "o-", label=f"batch {n}")
ax.axhline(1, linestyle=":", color="tab:gray")
ax.set(
    yscale="log",
    yticks=[0.1, 0.3, 1, 3],
    yticklabels=["0.1", "0.3", "1", "3"],
    xlabel="weights that are zero (%)",
    ylabel="sparse kernel's time\n(multiples of the dense kernel's)",
)
ax.legend()
plt.show()

# %% name="outliers"
(w0, b0), (w1, b1), (w2, b2) = [
    (m.weight.detach().numpy().T, m.bias.detach().numpy()) for m in linears(model)
]
hidden = np.maximum(test_x[::5].numpy() @ w0 + b0, 0)
loud, wide = np.ones((2, WIDTH), np.float32)
loud[hidden.max(0).argsort()[-8:]] = wide[:8] = 100
schemes = {
    "float32": np.matmul,
    "int8, one scale per tensor": lambda h, w: integer(h, None) @ integer(w, None),
    "int8, per token and channel": w8a8,
    "+ outlier columns in float (LLM.int8)": llm_int8,
    "+ smoothing (SmoothQuant)": smoothquant,
    "FP8, one scale per tensor": lambda h, w: fp8(h) @ fp8(w),
}
right = {}
for case, (a, c) in {
    "as trained": (1, 1),
    "8 wide weight channels": (1, wide),
    "8 loud activations": (loud, 1),
}.items():
    for (
        scheme,
        matmul,
    ) in (
        schemes.items()
    ):  # a ReLU lets positive factors through: always the same function
        y = np.maximum(matmul(hidden * a, (w1.T / a).T * c) / c + b1, 0) @ w2 + b2
        right.setdefault(case, {})[scheme] = (y.argmax(1) == test_y[::5].numpy()).mean()
naive, finer = (right["8 loud activations"][k] for k in list(schemes)[1:3])
wide_naive, wide_finer = (
    right["8 wide weight channels"][k] for k in list(schemes)[1:3]
)
cured = [right["8 loud activations"][k] for k in list(schemes)[3:]]
exact = right["as trained"]["float32"]
assert (
    naive < exact - 0.1
    and finer < exact - 0.015
    and min(cured) > exact - 0.01
    and wide_naive < wide_finer - 0.005
)
pd.DataFrame(right).round(3)

# %% name="four-bit"
calib = np.maximum(train_x[::3].numpy() @ w0 + b0, 0)  # images the test does not use
part = w1[:, :256]  # 256 output channels
formats = {
    "int8, per channel": (8, lambda seen: integer(part, 0)),
    "FP8, per tensor": (8, lambda seen: fp8(part)),
    "NVFP4": (4.5, lambda seen: fp4(part, 16, False)),
    "MXFP4": (4.25, lambda seen: fp4(part, 32, True)),
    "int4, groups of 32": (4.5, lambda seen: grouped(part, 32)),
    "int4, groups of 128": (4.125, lambda seen: grouped(part, 128)),
    "+ AWQ": (4.125, lambda seen: awq(part, seen, 128)),
    "+ GPTQ": (4.125, lambda seen: gptq(part, seen, 128)),
}
errors = {name: [bits] for name, (bits, _) in formats.items()}
for (name, (_, rounded)), (h, factor) in product(
    formats.items(), ((np.eye(WIDTH), 1), (hidden, 1), (hidden * loud, loud))
):
    errors[name].append(
        np.linalg.norm(h @ (rounded(calib * factor) - part)) / np.linalg.norm(h @ part)
    )
error = pd.DataFrame(
    errors, ["bits per weight", "weight error", "output error", "with loud activations"]
).T
(weight_rtn, out_rtn, loud_rtn), (_, _, loud_awq), (weight_gptq, out_gptq, _) = (
    error.iloc[-3:, 1:].to_numpy()
)
assert (
    out_gptq < 0.7 * out_rtn and weight_gptq > weight_rtn and loud_awq < 0.6 * loud_rtn
)
error.map("{:.2%}".format).assign(
    **{"bits per weight": error["bits per weight"].map("{:g}".format)}
)

# %% name="group-size" tags=["hide-input"]
sizes = 2 ** np.arange(4, 11)
by_size = [
    np.linalg.norm(grouped(part, g) - part) / np.linalg.norm(part) for g in sizes
]
group_16, group_128, group_all = by_size[0], by_size[3], by_size[-1]
assert (np.diff(by_size) > 0).all() and group_all > 1.3 * group_16
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.plot(
    4 + 16 / sizes, 100 * np.array(by_size), "o-", label="int4, 16-bit scale per group"
)
for g, e in zip(sizes, by_size):
    ax.annotate(g, (4 + 16 / g, 100 * e), xytext=(4, 4), textcoords="offset points")
for name, mark in (("NVFP4", "s"), ("MXFP4", "^")):
    ax.plot(
        error["bits per weight"][name],
        100 * error["weight error"][name],
        mark,
        label=name,
    )
ax.set(
    xlabel="bits per weight, scales included (labels: group size)",
    ylabel="error of the weights (%)",
    ymargin=0.12,
)
ax.legend()
plt.show()

# %% name="distillation"
hard, counts = torch.nn.functional.one_hot(train_y, 10).float(), [50, 200, 800]
reached = students(
    [(n, hard) for n in counts] + [(n, soft) for n in counts],
    seeds=8,
    hidden=24,
    steps=600,
)
alone, same_images, distilled = reached[:3], reached[3:], reached[5]  # [labels, seed]
lead, half = (
    100 * (distilled - alone).mean(1),
    236 * (distilled - alone).std(1, ddof=1) / 8**0.5,
)  # 95% by Student's t
(lead_50, lead_200, lead_800), (half_50, half_200, half_800) = lead, half
assert lead_50 - half_50 > 5 and abs(lead_800) < 3  # points
pd.DataFrame(
    {
        "labels alone": alone.mean(1),
        "teacher, same images": same_images.mean(1),
        "teacher, all 800 images": distilled.mean(),
        "lead over labels alone": [
            f"{m:+.1f} ± {h:.1f} points" for m, h in zip(lead, half)
        ],
    },
    index=pd.Index(counts, name="labelled images"),
).round(3)

# %% name="sharing"
layers, width, ffn, vocab, kv_width = 32, 4096, 14336, 128256, 1024  # Llama 3 8B
mha_kib, gqa_kib, mqa_kib = (
    layers * 2 * heads * 128 * 2 / 1024 for heads in (32, 8, 1)
)  # bf16 cache per token
tied_vocab = vocab * 2048  # Llama 3.2 1B
tied = (
    16 * (2 * 2048**2 + 2 * 2048 * 512 + 3 * 2048 * 8192 + 2 * 2048) + 2048 + tied_vocab
)
layer = torch.nn.Linear(WIDTH, WIDTH)
before, normed = (
    sum(p.numel() for p in m.parameters())
    for m in (layer, parametrizations.weight_norm(copy.deepcopy(layer)))
)
assert (
    normed == before + WIDTH
)  # one more number per output: a reparametrisation, nothing is shared
saved = tied_vocab / (tied + tied_vocab)
print(
    f"Llama 3.2 1B: {tied / 1e6:,.0f} M parameters tied, {(tied + tied_vocab) / 1e6:,.0f} M untied"
)
print(
    f"8B cache per token: {mha_kib:.0f} KiB with 32 KV heads, {gqa_kib:.0f} with 8, {mqa_kib:.0f} with 1"
)
print(f"weight_norm: {before:,} -> {normed:,} parameters")

# %% name="roofline"
HBM, BF16, FP8, PCIE = (
    3.35e12,
    989e12,
    1979e12,
    64e9,
)  # H100 SXM peaks: bytes/s, dense FLOP/s, bytes/s one way
read = (
    layers * (2 * width * (width + kv_width) + 3 * width * ffn) + vocab * width
)  # an embedding row is only looked up


def step(
    tokens: int, size: float, peak: float, cached: int = 0, kv_bytes: float = 2
) -> float:
    """Milliseconds: weights and cache read once, 2 FLOP a weight and token; whichever takes longer."""
    return 1e3 * max(
        (read * size + cached * 2 * layers * kv_width * kv_bytes) / HBM,
        2 * read * tokens / peak,
    )


INT4 = 4.125 / 8  # bytes, groups of 128
kinds = {
    "bf16": (2, BF16),
    "int4 weights": (INT4, BF16),
    "fp8": (1, FP8),
}  # bytes a weight, FLOP/s
work = {
    "decode, 1 sequence": (1, 0),
    "decode, 64 x 4,096 cached": (64, 64 * 4096),
    "prefill, 4,096 tokens": (4096, 0),
}
times = {
    w: {k: step(n, *kinds[k], cached) for k in kinds}
    | {"int4 + fp8 KV": step(n, INT4, BF16, cached, 1)}
    for w, (n, cached) in work.items()
}
one, many, prefill = times.values()
speed_one, speed_many, speed_prefill = (
    t["bf16"] / t["int4 weights"] for t in times.values()
)
speed_kv, fp8_prefill = (
    many["bf16"] / many["int4 + fp8 KV"],
    prefill["bf16"] / prefill["fp8"],
)
ridge, ridge_int4 = (
    BF16 / HBM,
    INT4 * BF16 / (2 * HBM),
)  # tokens a step at which arithmetic takes over
weights_gb, cache_gb, bf16_one, int4_one = (
    2 * read / 1e9,
    64 * 4096 * gqa_kib * 1024 / 1e9,
    one["bf16"],
    one["int4 weights"],
)
assert speed_one > 3.5 and speed_prefill == 1 and 1 < speed_many < 1.5
experts = (
    2 * 32 * 3 * 4096 * 14336
)  # Mixtral 8x7B: weights of the 2 experts a token uses in each of 32 layers
offload_bf16, offload_int4 = (
    2 * experts / PCIE,
    INT4 * experts / PCIE,
)  # seconds a token if no expert is resident
hit_needed = 1 - 1 / (
    20 * offload_int4
)  # share of expert reads that must hit for 20 tokens a second
pd.DataFrame(times).T.rename_axis("ms a step").round(2)

# %% name="roofline-figure" tags=["hide-input"]
n = np.geomspace(1, 4096, 200)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (kind, (size, peak)), style in zip(kinds.items(), ("-", "--", "-.")):
    ax.plot(n, [step(k, size, peak) for k in n], style, label=kind)
ax.set(
    xscale="log",
    yscale="log",
    xlabel="tokens in one step (decodes in a batch, or a prompt)",
    ylabel="time of the step (ms)",
)
ax.legend()
plt.show()
