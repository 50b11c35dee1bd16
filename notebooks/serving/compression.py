# ---
# jupyter:
#   qa:
#     seconds: 12
# ---

# %% [markdown]
# # 如何压缩模型、加速推理？ · How do you compress a model?
#
# 先算解码与预填充的字节和运算；再在真实语言模型上压缩键值缓存、激活、权重与层，用同一段文本上的分布衡量损失。
#
# First the bytes and arithmetic of decoding and prefill; then a real language model with its KV cache, activations, weights and layers compressed, each loss measured on the same text.

# %% name="roofline"
import pandas as pd
from facts import fact
from transformer_costs import accelerator, transformer

h100, llama = accelerator("h100_sxm"), transformer("llama_3_1_8b")
HBM, BF16, FP8 = h100.bandwidth, h100.bf16_flops, fact("h100_sxm.fp8_tflops") * 1e12
INT4 = (4 + 16 / 128) / 8  # bytes a weight: groups of 128 share a 16-bit scale
HEAD = llama.embedding_parameters  # the output layer, which the recipes leave in BF16
LINEAR = llama.active_parameters - HEAD
# Bytes a weight, FLOP/s, bytes of the cache against BF16.
formats = {"BF16": (2, BF16, 1), "W4A16": (INT4, BF16, 1), "FP8": (1, FP8, 1)}
formats["W4A16, FP8 cache"] = (INT4, BF16, 0.5)


def step(tokens: float, sequences: float, cached: float, size, peak, kv) -> float:
    """Milliseconds: linear layers, output layer and attention follow one another."""
    linear = max(size * LINEAR / HBM, 2 * LINEAR * tokens / peak)
    head = max(2 * HEAD / HBM, 2 * HEAD * sequences / BF16)
    return 1000 * (linear + head + kv * cached * llama.kv_bytes() / HBM)


# Tokens computed, sequences, tokens cached.
work = {"decode 1": (1, 1, 0), "decode 64": (64, 64, 64 * 4096)}
work["prefill"] = (4096, 1, 0)
ms = {f: {w: step(*work[w], *formats[f]) for w in work} for f in formats}
times = pd.DataFrame(ms)
speed_one, speed_many, speed_prefill = times["BF16"] / times["W4A16"]
_, speed_kv, _ = times["BF16"] / times["W4A16, FP8 cache"]
fp8_one, _, fp8_prefill = times["BF16"] / times["FP8"]
weights_gb, cache_gb = 2 * llama.parameters / 1e9, 64 * 4096 * llama.kv_bytes() / 1e9
assert 3 < speed_one < 3.5 and 1.8 < fp8_one < 1.9 and 2 * weights_gb < cache_gb < 35
assert speed_prefill == 1 and 1.9 < fp8_prefill < 2 < speed_kv and speed_many < 1.3
times.T.rename_axis("ms a step").round(2)

# %% name="sizes"
big = transformer("llama_3_1_70b")
quantised = big.active_parameters - big.embedding_parameters  # embeddings stay in BF16
VISIBLE = fact("cuda_memory.h100_gib")
usable = fact("vllm_defaults.gpu_memory_utilization") * VISIBLE * 2**30 / 1e9
weights = pd.Series({name: formats[name][0] for name in ("BF16", "FP8", "W4A16")})
weights = (weights * quantised + 2 * (big.parameters - quantised)) / 1e9
cache = (usable - weights).clip(lower=0) * 1e9 / big.kv_bytes()
(gb_bf16, gb_fp8, gb_int4), (room_bf16, room_fp8, room_int4) = weights, cache
cache_70b = big.kv_bytes() / 1024
assert gb_bf16 > 80 > usable > gb_fp8 > 72 and 39 < gb_int4 < 40 and cache_70b == 320
assert room_bf16 == 0 and 16_000 < room_fp8 < 18_000 and 117_000 < room_int4 < 120_000
pd.DataFrame({"weights [GB]": weights.round(1), "cache [tokens]": cache.round(-2)})

# %% name="sweep-tokens" tags=["sweep"] flips="break_even"
PROMPT_SHARE, CONTEXT = 4, 1024  # prompt tokens for each generated; tokens cached


def mixed(tokens: float, share: float, context: float, name: str) -> float:
    """A step of chunked prefill: of its tokens, one in 1 + share is being generated."""
    sequences = tokens / (1 + share)
    return step(tokens, sequences, sequences * context, *formats[name])


break_even = BF16 / (2 * HBM)  # W4A16 multiplies for as long as FP8 reads its weights
bytes_until = INT4 * break_even  # up to here W4A16 reads for longer than it multiplies
index = pd.Index([16, 32, 64, 128, 256, 512, 1024], name="tokens a step [tokens]")
for share, context in [(1, 0), (20, 8192), (PROMPT_SHARE, CONTEXT)]:
    rows = {f: [mixed(t, share, context, f) for t in index] for f in formats}
    ms = pd.DataFrame(rows, index)
    assert ((ms["W4A16"] < ms["FP8"]) == (index < break_even)).all()
    w4a16, fp8 = (mixed(break_even, share, context, name) for name in ("W4A16", "FP8"))
    assert abs(w4a16 - fp8) < 1e-9
sweep = pd.DataFrame({f"{f} [x BF16]": ms["BF16"] / ms[f] for f in ("W4A16", "FP8")})
(gain_few, fp8_few), (gain_many, fp8_many_tokens) = sweep.iloc[[0, -1]].values
assert (
    gain_few == sweep["W4A16 [x BF16]"].max() > 2.5 > fp8_few
    and gain_many < 1.01 < 1.4 < fp8_many_tokens
)
chat, questions, documents = (break_even / (1 + share) for share in (1, 4, 20))
assert documents < 10 < questions < 40 < 70 < chat < 80 and 70 < bytes_until < 80
moe = transformer("qwen3_30b_a3b")  # an expert sees the tokens times active / all
moe_even = break_even * moe.experts / moe.active_experts
assert 2300 < moe_even < 2400
sweep.round(2)

# %% name="zeros-time" tags=["volatile"]
from functools import partial

import shorter
import torch

draw = torch.Generator().manual_seed(0)
ffn = torch.randn(1536, 576, generator=draw)  # the shape of SmolLM2's up projection
tokens = torch.randn(64, 576, generator=draw)
zeroed = shorter.smallest_to_zero(ffn, 0.9)
forms = {"dense": ffn, "90% zeros": zeroed, "1/4 of the rows": ffn[::4].contiguous()}
_, zeros_time, rows_time = relative = shorter.relative_times(tokens, forms)
assert 0.7 < zeros_time and rows_time < 0.6
assert abs((zeroed == 0).float().mean() - 0.9) < 0.01
assert 4 * len(forms["1/4 of the rows"]) == len(ffn)
relative.to_frame("time [x dense]").round(2)

# %% name="original"
import kv_cache
import language_model
import quantize
from judge import Judge, excerpts

model, tokenizer = language_model.load_model(), language_model.load_tokenizer()
linears = [m for m in model.model.modules() if isinstance(m, torch.nn.Linear)]
mlps = [model.model.layers[i].mlp for i in (10, 12)]
chosen = [m for mlp in mlps for m in (mlp.gate_proj, mlp.up_proj)]
with quantize.watched(linears) as seen:
    judge = Judge(model, excerpts(tokenizer, "execmodel objects typesseq", 0, 24))
peaks = [x.abs().amax(0) for x in seen.values()]  # of each input channel
outliers = pd.Series([(p.max() / p.median()).item() for p in peaks])
calibration = excerpts(tokenizer, "customization types specialnames", 256, 352)
with quantize.watched(chosen) as samples:
    states = quantize.hidden_states(model, calibration)
typical, outlier = summary = outliers.agg(["median", "max"])
assert outlier > 50 * typical > 200
summary.to_frame("largest over median channel").round()

# %% name="kv-cache"
in_32s = partial(quantize.in_groups, group=32)
e4m3 = partial(quantize.to_fp8, scale=1)
kinds = {
    "E4M3, scale 1": (e4m3, e4m3),
    "8-bit keys, 4-bit values": (partial(in_32s, bits=8), partial(in_32s, bits=4)),
    "4-bit keys, 8-bit values": (partial(in_32s, bits=4), partial(in_32s, bits=8)),
}
caches = {name: kv_cache.RoundedCache(*kinds[name]) for name in kinds}
eight, values, keys = (judge(name, cache=caches[name]) for name in kinds)
assert (2 * eight < values).all() and (3 * values < keys).all()
scale_1, k8v4, _ = (cache.layers[0] for cache in caches.values())
assert torch.equal(quantize.to_fp8(scale_1.keys, 1), scale_1.keys)  # as E4M3 has them
assert torch.allclose(in_32s(k8v4.keys, bits=8), k8v4.keys)
table = judge.table(list(kinds))
kv8, values4, keys4 = table["KL [nats]"]
assert 0.004 < kv8 < 0.006 and values4 < 0.02 and 0.07 < keys4
table.round(4)

# %% name="eight-bits"
per_tensor = partial(quantize.to_int, bits=8)
inputs = {
    "int8 inputs, per tensor": per_tensor,
    "int8 inputs, per token": partial(per_tensor, shared=-1),
    "FP8 inputs, per tensor": quantize.to_fp8,
}
for name, change in inputs.items():
    with quantize.fed(linears, change):
        judge(name)
tensor, token, fp8_inputs = (judge.rows[name]["KL [nats]"] for name in inputs)
assert (fp8_inputs < token).all() and (10 * token < tensor).all()
table = judge.table(["original", *inputs])
ppl, ppl_tensor, *_ = table["perplexity"]
_, int8_tensor, int8_token, fp8_tensor = table["KL [nats]"]
assert ppl_tensor > 1.3 * ppl and 0.01 < fp8_tensor < int8_token < int8_tensor / 10
table.round(4)

# %% name="three-bits"
pairs = [(m.weight.data, samples[m].T @ samples[m]) for m in chosen]
candidates = {
    "nearest": [quantize.in_groups(w, bits=3, group=64) for w, _ in pairs],
    "GPTQ": [quantize.gptq(w, gram, bits=3, group=64) for w, gram in pairs],
}
errors = {name: quantize.error(chosen, new) for name, new in candidates.items()}
for name, rounded in candidates.items():
    with quantize.replaced(chosen, rounded):
        judge(name)
nearest, gptq = (judge.rows[name]["KL [nats]"] for name in candidates)
error_nearest, error_gptq = errors.values()
assert 0.5 > error_gptq > 1.1 * error_nearest > 0.1  # farther from the weights
table = judge.table(list(candidates)).drop(columns="perplexity")
kl_nearest, kl_gptq = table["KL [nats]"]
assert (gptq < 0.8 * nearest).all() and 0.01 < kl_gptq < 0.02 < kl_nearest < 0.05
table.assign(**{"weight error": errors}).round(4)

# %% name="prune"
rows = {}
for first, end in [(4, 7), (13, 16), (22, 25), (26, 29)]:  # of 30 layers
    matrix = shorter.fit(states[first], states[end])
    with shorter.without(model, first, end):
        removed = judge("removed")
    with shorter.without(model, first, end, shorter.Bridge(matrix)):
        fitted = judge("fitted")
    assert (fitted < 0.85 * removed).all()
    rows[f"layers {first + 1} to {end}"] = removed.mean().item(), fitted.mean().item()
table = pd.DataFrame(rows, ["KL, removed [nats]", "KL, with a matrix [nats]"]).T
(gone_least, fitted_least), (gone_most, fitted_most) = table.min(), table.max()
with quantize.changed(linears, partial(shorter.smallest_to_zero, share=0.1)):
    share = (linears[0].weight == 0).float().mean().item()
    judge("zeroed")
ppl_zeros, kl_zeros, same_zeros = judge.table(["zeroed"]).iloc[0]
assert gone_most > 10 * gone_least > 3 and fitted_most < 0.6 < 3 * fitted_least
assert abs(share - 0.1) < 0.02 and 0.02 < kl_zeros < fitted_least / 2
assert abs(ppl_zeros / ppl - 1) < 0.1 and 0.7 < same_zeros < 0.9
table.round(2)

# %% name="cache-bytes"
import struct
from pathlib import Path

NUMBERS = 30 * 2 * 3 * 64  # layers, keys and values, KV heads, width of a head
saved = kv_cache.bytes_per_token("Q8_0", "Q4_0", "Keys and values, " * 16)
mixed_bits = round(8 * saved / NUMBERS, 2)
assert abs(mixed_bits - (8.5 + 4.5) / 2) < 0.1  # each 32 share a scale of 16 bits
state = Path("cache").read_bytes()  # keys, then values: type, bytes a token, numbers
q8_0, q4_0 = (struct.pack("<iQ", kind, row) for kind, row in ((8, 204), (2, 108)))
assert state.index(q8_0) < state.index(q4_0)
pd.DataFrame({"bits a number": {"f16": 16, "q8_0 keys, q4_0 values": mixed_bits}})
