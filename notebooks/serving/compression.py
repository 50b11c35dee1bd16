# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何压缩模型、加速推理？ · How do you compress a model?
#
# 先算解码与预填充的字节和运算；再在真实语言模型上压缩键值缓存、激活、权重与层，用同一段文本上的分布衡量损失。
#
# First the bytes and arithmetic of decoding and prefill; then a real language model with its KV cache, activations, weights and layers compressed, each loss measured on the same text.

# %% name="roofline"
import pandas as pd

HBM, BF16, FP8 = 3.35e12, 989e12, 1979e12  # H100 SXM: bytes/s, dense FLOP/s
INT4 = (4 + 16 / 128) / 8  # bytes a weight: groups of 128 share a 16-bit scale
LAYERS, WIDTH, FFN, VOCAB, KV = 32, 4096, 14336, 128256, 1024  # Llama 3 8B
# Every weight but the embedding, of which a token reads one row.
READ = LAYERS * (2 * WIDTH * (WIDTH + KV) + 3 * WIDTH * FFN) + VOCAB * WIDTH
CACHE = LAYERS * 2 * KV * 2  # bytes of a token's keys and values in BF16
formats = {  # bytes a weight, FLOP/s, bytes of the cache against BF16
    "BF16": (2, BF16, 1),
    "W4A16": (INT4, BF16, 1),
    "FP8": (1, FP8, 1),
    "W4A16, FP8 cache": (INT4, BF16, 0.5),
}


def step(tokens: float, cached: float, size: float, peak: float, kv: float) -> float:
    """Milliseconds: all is read once, 2 FLOP a weight and token; the longer counts."""
    read = size * READ + kv * cached * CACHE
    return 1000 * max(read / HBM, 2 * READ * tokens / peak)


work = {  # tokens computed, tokens cached
    "decode 1": (1, 0),
    "decode 64": (64, 64 * 4096),
    "prefill": (4096, 0),
}
times = pd.DataFrame(
    {f: {w: step(*work[w], *formats[f]) for w in work} for f in formats}
)
speed_one, speed_many, speed_prefill = times["BF16"] / times["W4A16"]
speed_kv = (times["BF16"] / times["W4A16, FP8 cache"])["decode 64"]
fp8_one, fp8_many, fp8_prefill = times["BF16"] / times["FP8"]
weights_gb, cache_gb = 2 * READ / 1e9, 64 * 4096 * CACHE / 1e9
assert speed_one > 3.5 > fp8_one and speed_prefill == 1 < 1.9 < fp8_prefill
assert speed_many < 1.5 < speed_kv and cache_gb > 2 * weights_gb
times.T.rename_axis("ms a step").round(2)

# %% name="sizes"
# Bits a weight with their scales, and what 70.6 billion of them take.
bits = {
    "BF16": 16,
    "FP8": 8,
    "NVFP4": 4 + 8 / 16,
    "MXFP4": 4 + 8 / 32,
    "W4A16": 8 * INT4,
}
gb_70b = {name: 70.6 * b / 8 for name, b in bits.items()}
cache_70b = 80 * 2 * 8 * 128 * 2 / 1024  # KiB a token in BF16
gb_bf16, gb_fp8, gb_int4 = gb_70b["BF16"], gb_70b["FP8"], gb_70b["W4A16"]
# vLLM may use 92% of 80 GB by default; what 4-bit weights leave, in tokens.
room = (0.92 * 80 - gb_70b["W4A16"]) * 1e9 / (cache_70b * 1024)
assert gb_70b["BF16"] > 80 > gb_70b["FP8"] > 0.92 * 80 * 0.95 and room > 100_000
print({name: f"{gb:.0f} GB" for name, gb in gb_70b.items()})
print(f"70B in 4 bits leaves a cache of {room:,.0f} tokens of {cache_70b:.0f} KiB")

# %% name="sweep-batch" tags=["sweep"] flips="break_even"
PROMPT_SHARE, CONTEXT = 4, 1024  # prompt tokens for each token generated; tokens cached


def per_token(batch: float, size: float, peak: float, kv: float) -> float:
    """Microseconds for a token generated in a batch and its share of the prefill."""
    decode = step(batch, batch * CONTEXT, size, peak, kv) / batch
    prefill = step(4096, 0, size, peak, kv) / 4096
    return 1000 * (decode + PROMPT_SHARE * prefill)


# Decoding W4A16 saves (1 - INT4) bytes a weight; FP8 prefill saves half its arithmetic.
break_even = (1 - INT4) * READ / HBM / (PROMPT_SHARE * 2 * READ * (1 / BF16 - 1 / FP8))
batches = pd.Index([1, 4, 16, 32, 64, 128, 256], name="batch [sequences]")
sweep = pd.DataFrame(
    {
        f"{name} [µs/token]": [per_token(b, *formats[name]) for b in batches]
        for name in ("BF16", "W4A16", "FP8")
    },
    index=batches,
)
bf16, w4a16, fp8 = sweep.T.values
assert ((w4a16 < fp8) == (batches < break_even)).all() and (fp8 < bf16).all()
there = [per_token(break_even, *formats[name]) for name in ("W4A16", "FP8")]
assert abs(there[0] - there[1]) < 1e-6
gain_one, gain_many = bf16[0] / w4a16[0], bf16[-1] / w4a16[-1]
fp8_gain = (bf16 / fp8)[-1]
assert gain_one > 3 and gain_many < 1.2 < 1.4 < fp8_gain
prompt_tokens = break_even * PROMPT_SHARE  # prefilled for each step of the batch
chat, documents = prompt_tokens / 1, prompt_tokens / 20  # other shares, other batches
sweep.round(0)

# %% name="cache-bytes"
from pydoc_data.topics import topics

import kv_cache
import language_model

prompt = topics["naming"][:200]
size = {
    kind: kv_cache.bytes_per_token(kind, prompt) for kind in ("F16", "Q8_0", "Q4_0")
}
q8_bytes, q4_bytes = size["Q8_0"] / size["F16"], size["Q4_0"] / size["F16"]
assert abs(q8_bytes - 8.5 / 16) < 0.02 and abs(q4_bytes - 4.5 / 16) < 0.02
print({kind: f"{count / 1024:.1f} KiB a token" for kind, count in size.items()})

# %% name="original"
import quantize
import torch
from judge import Judge
from torch import nn

model, tokenizer = language_model.load_model(), language_model.load_tokenizer()


def excerpts(names: list[str], start: int, end: int) -> torch.Tensor:
    """Of Python's manual, which is installed with it."""
    return torch.tensor([tokenizer(topics[n]).input_ids[start:end] for n in names])


judge = Judge(model, excerpts(["execmodel", "objects", "typesseq", "naming"], 0, 40))
calibration = excerpts(["customization", "types", "specialnames"], 256, 512)
linears = [m for m in model.model.modules() if isinstance(m, nn.Linear)]
mlps = [model.model.layers[i].mlp for i in range(10, 15)]
chosen = [m for mlp in mlps for m in (mlp.gate_proj, mlp.up_proj)]
samples, peaks = {}, []


def watch(module: nn.Module, args: tuple[torch.Tensor]) -> None:
    x = args[0].flatten(0, 1)
    peaks.append(x.abs().amax(0))
    if module in chosen:
        samples[module] = x


hooks = [m.register_forward_pre_hook(watch) for m in linears]
with torch.inference_mode():
    states = model.model(calibration, output_hidden_states=True).hidden_states
[hook.remove() for hook in hooks]
FIRST, GONE = 13, 3  # layers to remove below: a tenth of 30
before, after = states[FIRST], states[FIRST + GONE]
del states
outliers = pd.Series([(p.max() / p.median()).item() for p in peaks])
outlier, typical = outliers.max(), outliers.median()
assert outlier > 50 * typical
print(
    f"largest over median input channel: median layer {typical:.0f}, worst {outlier:,.0f}"
)

# %% name="kv-cache"
rows = {}
for name, bits in {
    "8 bits": (8, 8),
    "4-bit keys": (4, 16),
    "4-bit values": (16, 4),
}.items():
    rows[name] = judge(name, cache=kv_cache.RoundedCache(*bits))
kv = pd.DataFrame.from_dict(rows, orient="index")
kv8, keys4, values4 = kv["KL [nats]"]
assert (judge.by_text["8 bits"] < judge.by_text["4-bit values"] / 5).all()
assert (judge.by_text["4-bit values"] < judge.by_text["4-bit keys"] / 2).all()
kv.round(4)

# %% name="eight-bits"
from functools import partial

per_tensor = partial(quantize.to_int, bits=8)
rows = {"original": judge("original")}
weights = {
    "int8 weights, per tensor": per_tensor,
    "int8 weights, per channel": partial(per_tensor, shared=1),
}
inputs = {
    "int8 inputs, per tensor": per_tensor,
    "int8 inputs, per token": partial(per_tensor, shared=-1),
    "FP8 inputs, per tensor": quantize.to_fp8,
}
for name, change in weights.items():
    with quantize.changed(linears, change):
        rows[name] = judge(name)
for name, change in inputs.items():
    with quantize.fed(linears, change):
        rows[name] = judge(name)
eight = pd.DataFrame.from_dict(rows, orient="index")
int8_tensor, int8_token, fp8_tensor = eight["KL [nats]"].iloc[-3:]
weight_tensor, weight_channel = eight["KL [nats]"].iloc[1:3]
by_text = [judge.by_text[name] for name in rows]  # each finding holds in each text
assert (by_text[2] < by_text[1] / 5).all() and (by_text[4] < by_text[3] / 5).all()
assert (by_text[5] < by_text[4]).all() and int8_token > 3 * weight_channel
ppl, ppl_tensor, ppl_token, ppl_fp8 = eight["perplexity"].iloc[[0, 3, 4, 5]]
assert ppl_tensor > 1.5 * ppl and max(ppl_token, ppl_fp8) < 1.1 * ppl
eight.round(4)

# %% name="three-bits"
BITS, GROUP, FEW = 3, 64, 96
nearest = partial(quantize.in_groups, bits=BITS, group=GROUP)


def calibrated(tokens: int) -> list[torch.Tensor]:
    grams = [samples[m][:tokens].T @ samples[m][:tokens] for m in chosen]
    return [quantize.gptq(m.weight.data, g, BITS, GROUP) for m, g in zip(chosen, grams)]


candidates = {
    "nearest": [nearest(m.weight.data) for m in chosen],
    f"GPTQ, {FEW} tokens": calibrated(FEW),
    "GPTQ, 768 tokens": calibrated(768),
}
rows = {}
for name, rounded in candidates.items():
    off = [
        (r - m.weight.data).norm() / m.weight.data.norm()
        for m, r in zip(chosen, rounded)
    ]
    with quantize.replaced(chosen, rounded):
        measured = judge(name)
    rows[name] = {"weight error": torch.stack(off).mean().item()} | measured
three = pd.DataFrame.from_dict(rows, orient="index").drop(columns="perplexity")
(error_nearest, kl_nearest, _), (_, kl_few, _), (error_gptq, kl_gptq, _) = three.values
few, many = judge.by_text[f"GPTQ, {FEW} tokens"], judge.by_text["GPTQ, 768 tokens"]
assert error_gptq > 1.2 * error_nearest  # farther from the weights,
assert (
    many < 0.75 * judge.by_text["nearest"]
).all()  # nearer to the model, in each text
assert (many < few).all()
three.round(4)

# %% name="prune"
import shorter


def smallest_to_zero(share: float):
    def zeroed(weight: torch.Tensor) -> torch.Tensor:
        sizes = weight.abs().flatten()[::16]  # a sample is enough
        return weight * (weight.abs() > sizes.quantile(share))

    return zeroed


rows = {}
for share in (0.1, 0.5):
    with quantize.changed(linears, smallest_to_zero(share)):
        zeros = sum((m.weight == 0).sum() for m in linears).item()
        rows[f"{share:.0%} of weights zero"] = judge(f"{share:.0%} zero")
    assert abs(zeros / sum(m.weight.numel() for m in linears) - share) < 0.01
matrix = shorter.fit(before, after)
with shorter.without(model, FIRST, FIRST + GONE):
    rows["3 layers removed"] = judge("removed")
with shorter.without(model, FIRST, FIRST + GONE, shorter.Bridge(matrix)):
    rows["and a matrix fitted"] = judge("fitted")
pruned = pd.DataFrame.from_dict(rows, orient="index")
kl_zeros, kl_half, kl_removed, kl_fitted = pruned["KL [nats]"]
ppl_zeros, ppl_half, *_ = pruned["perplexity"]
same_zeros = pruned["same top token"].iloc[0]
assert abs(ppl_zeros / ppl - 1) < 0.1 and same_zeros < 0.9
few_zeros, half_zeros, removed, fitted = list(judge.by_text.values())[-4:]
assert (few_zeros < removed / 2).all() and (half_zeros > 3 * removed).all()
assert (fitted < removed).all() and ppl_half > 5 * ppl
pruned.round(4)

# %% name="zeros-time" tags=["volatile"]
import timeit

ffn = model.model.layers[0].mlp.gate_proj.weight.data  # 1,536 x 576
tokens = torch.randn(256, ffn.shape[1], generator=torch.Generator().manual_seed(0))
forms = {
    "dense": ffn,
    "90% zeros": smallest_to_zero(0.9)(ffn),
    "1/4 of the rows": ffn[::4].contiguous(),
}
best = dict.fromkeys(forms, float("inf"))
for _ in range(15):  # in turns, so that a busy neighbour slows all of them
    for name, weight in forms.items():
        took = timeit.timeit(partial(torch.matmul, tokens, weight.T), number=4)
        best[name] = min(best[name], took)
zeros_time = best["90% zeros"] / best["dense"]
rows_time = best["1/4 of the rows"] / best["dense"]
assert 0.7 < zeros_time < 1.4 and rows_time < 0.5
print(
    f"of the dense time: 90% zeros {zeros_time:.2f}, a quarter of the rows {rows_time:.2f}"
)
