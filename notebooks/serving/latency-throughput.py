# ---
# jupyter:
#   qa:
#     seconds: 15
# ---

# %% [markdown]
# # 如何同时保证低延迟与高吞吐？ · How do you keep latency low and throughput high at once?
#
# 真实的引擎（llama.cpp，SmolLM2-135M）：并发与延迟、静态与连续批处理、分块预填充、前缀缓存、按阶段的时间账；H100 上的大模型按屋顶线推算。
#
# A real engine (llama.cpp, SmolLM2-135M): concurrency and latency, static and continuous batching, chunked prefill, the prefix cache, time by stage; large models on an H100 by roofline.

# %% name="batch-curve"
from math import ceil

import pandas as pd
from facts import fact
from roofline import Replica as Devices
from transformer_costs import transformer

H100 = fact("h100_sxm")
llama = Devices(transformer("llama_3_1_8b"), H100, value_bytes=2)
PROMPT, OUTPUT = 2_000, 500  # tokens of a request


def tpot_ms(devices: Devices, sequences: int, share: float = 1.0) -> float:
    """A step in which prompts join as answers end, at a share of the peaks."""
    return 1000 * devices.step(sequences, PROMPT, OUTPUT, share, share)[0]


vllm, WORKSPACE = fact("vllm_defaults"), 3e9  # bytes: assumed


def fits(devices: Devices) -> int:
    """Sequences that the KV cache holds, by blocks, as on the page on concurrency."""
    memory = vllm["gpu_memory_utilization"] * fact("cuda_memory.h100_gib") * 2**30
    free = devices.devices * (memory - WORKSPACE)
    free -= devices.value_bytes * devices.model.parameters
    block = vllm["block_size_tokens"]
    blocks = free // (block * devices.token_bytes)
    return int(blocks) // ceil((PROMPT + OUTPUT) / block)


def knee(devices: Devices) -> float:
    """Sequences from which on arithmetic takes longer than reading all weights."""
    all_read = devices.weights_read(1e9) * devices.value_bytes / devices.bandwidth
    each = 2 * devices.model.active_parameters / devices.flops  # seconds of a token
    return all_read / each / (1 + PROMPT / OUTPUT)


moe = Devices(transformer("qwen3_30b_a3b"), H100, value_bytes=2)
fit, fit_moe = fits(llama), fits(moe)
curve = {n: tpot_ms(llama, n) for n in (1, 8, 32, 64, 128, fit)}
curve = pd.DataFrame({"TPOT [ms]": curve})
rates = curve["tokens a second"] = 1000 * curve.index / curve["TPOT [ms]"]
gain_8, gain_64 = rates[8] / rates[1], rates[64] / rates[1]
gain_128 = rates[128] / rates[64]
slower_64, slower_128 = (
    curve["TPOT [ms]"][n] / curve["TPOT [ms]"][1] for n in (64, 128)
)
ridge = llama.flops / llama.bandwidth  # tokens of a step: here arithmetic takes over
knee_8b = ridge / (1 + PROMPT / OUTPUT)  # sequences: each brings its share of prompts
knee_moe = knee(moe)
knee_long = ridge / (1 + 500 / 4_000)  # short prompts, long answers
assert 7 < gain_8 < 7.1 and 28 < gain_64 < 29 and 0.99 < gain_128 < 1.01
assert 2 < slower_64 < 2.5 and 4.4 < slower_128 < 4.6 and fit == 179
assert abs(knee(llama) / knee_8b - 1) < 0.001  # dense, two bytes a weight
assert knee_moe > 10 * fit_moe and 586 < knee_moe < 588 and fit_moe == 57
assert 295 < ridge < 296 and 59 < knee_8b < 60 and 262 < knee_long < 263
curve.rename_axis("sequences").round(1)

# %% name="budget"
DECODING, CONTEXT = 32, 2_250  # sequences beside the chunk, and their tokens


def mixed_ms(
    devices: Devices, budget: int, decoding: int = DECODING, share: float = 1.0
) -> float:
    """A step of `budget` tokens that holds the first chunk of a long prompt."""
    m, chunk = devices.model, max(0, budget - decoding)
    flops = chunk * (m.forward_flops(chunk / 2) - 2 * m.embedding_parameters)
    flops += 2 * m.active_parameters * decoding
    weights = devices.weights_read(chunk + decoding) * devices.value_bytes
    cache = decoding * CONTEXT * devices.token_bytes / devices.bandwidth
    n = devices.devices  # what they exchange: as in Replica.step
    sent = 8 * m.layers * m.width * (n - 1) / n * (chunk + decoding)
    exchange = sent / (H100["link_gb_s"] * 1e9 * devices.wire)
    matrices = max(flops / devices.flops, weights / devices.bandwidth)
    return 1000 * ((matrices + cache) / share + exchange)


llama_70b = Devices(transformer("llama_3_1_70b"), H100, 4, value_bytes=2)
models = {"8B": llama, "30B-A3B": moe, "70B, 4 GPUs": llama_70b}
DEFAULT = vllm["max_num_batched_tokens"]
assert all(DECODING < fits(m) for m in models.values())  # all have the memory
chunks = [0, 512, 2048, DEFAULT]
steps_ms = {f"{n} [ms]": [mixed_ms(m, c) for c in chunks] for n, m in models.items()}
steps_ms = pd.DataFrame(steps_ms, index=chunks)
stall_8b, stall_moe, stall_70b = steps_ms.loc[DEFAULT]
small_8b, alone_8b = steps_ms["8B [ms]"][2048], steps_ms["8B [ms]"][0]
assert 136 < stall_8b < 137 and 450 < stall_70b < 451 and 73 < stall_moe < 74
assert steps_ms.iloc[0, 1] > 2 * alone_8b  # more to read, less to compute
assert 32 < small_8b < 33 and 7 < alone_8b < 8
kv_mb = PROMPT * llama.token_bytes / 1e6  # from a prefill to a decode pool
kv_move_ms, kv_slow_ms = kv_mb / H100["network_gb_s"], kv_mb / 1.25  # or 10 Gbit/s
prefill_ms = mixed_ms(llama, PROMPT, 0)
assert 262 < kv_mb < 263 and 5 < kv_move_ms < 6 < prefill_ms < kv_slow_ms < 211
steps_ms.rename_axis("tokens in the step, 0: only decoding").round(1)

# %% name="settings"
import re
from pathlib import Path

SHARE, TPOT_MS, GAP_MS = 0.5, 40, 100  # of the peaks: assumed; two targets
script, bench = Path("serve.sh").read_text(), Path("bench.sh").read_text()
flags = dict(re.findall(r"--([a-z-]+) (\w+)", script + bench))
seats, chunk = int(flags["max-num-seqs"]), int(flags["max-num-batched-tokens"])
rows = {}
for share in (0.3, 0.4, SHARE, 0.6):
    count = max(n for n in range(1, 1_000) if tpot_ms(llama, n, share) <= TPOT_MS)
    rows[share] = count, mixed_ms(llama, chunk, seats, share)
columns = ["sequences within the TPOT", "step with a chunk [ms]"]
by_share = pd.DataFrame(rows, index=columns).T.rename_axis("share of the peaks")
most, most_low = (int(by_share.iloc[:, 0][share]) for share in (SHARE, 0.4))
assert (most, most_low) == (123, 98) and knee_8b < seats < most
margin = 1 - tpot_ms(llama, seats, SHARE) / TPOT_MS  # for the p95
assert 0.15 < margin < 0.25
assert mixed_ms(llama, chunk, seats, SHARE) <= GAP_MS
assert mixed_ms(llama, 2 * chunk, seats, SHARE) > GAP_MS and chunk == 2048
ttft_ms = ceil(PROMPT / (chunk - seats)) * mixed_ms(llama, chunk, seats, SHARE)
assert 150 < ttft_ms < 160  # far from the target of 1 s: what remains is for the queue
model_name = script.split()[2]
assert "Llama-3.1-8B" in model_name and f"--model {model_name} " in bench
assert "no-enable" not in script + bench  # the prefix cache stays on
lengths = flags["random-input-len"], flags["random-output-len"]
assert lengths == (str(PROMPT), str(OUTPUT)) and "--ignore-eos" in bench
assert f"--goodput ttft:1000 tpot:{TPOT_MS}\n" in bench
assert "--seed $callers " in bench and "--max-concurrency $callers " in bench
assert "--num-prompts $((20 * callers)) " in bench
tried = [int(n) for n in re.search(r"in ([\d ]+);", bench)[1].split()]
assert tried[0] < knee_8b < most < tried[-1] and seats in tried
by_share.round(0).astype(int)

# %% name="sweep-hits" tags=["sweep"] flips="break_even"
hits = {}
for hit in (0, 0.25, 0.5, 0.75, 0.9, 1):  # of each prompt, found in the prefix cache
    knee_there = ridge / (1 + (1 - hit) * PROMPT / OUTPUT)
    running = min(knee_there, fit)
    weights = llama.weights_read(1) * llama.value_bytes / llama.bandwidth
    seconds = weights + running * CONTEXT * llama.token_bytes / llama.bandwidth
    hits[hit] = knee_there, running / seconds
columns = ["knee [sequences]", "output [tokens a second]"]
sweep = pd.DataFrame(hits, index=columns).T.rename_axis("hit rate [share]")
break_even = 1 - (ridge / fit - 1) * OUTPUT / PROMPT
more_with_hits = sweep.iloc[3, 1] / sweep.iloc[0, 1] - 1
assert 0.83 < break_even < 0.84
knees = sweep["knee [sequences]"]
assert knees[0.75] < fit < knees[0.9] and 58 < knees[0] < 60
assert 0.3 < more_with_hits < 0.5 and sweep.iloc[4, 1] == sweep.iloc[5, 1]
sweep.round(2)

# %% name="curve" tags=["volatile"]
import timing
from continuous_batching import Cost, Replica, Request
from language_model import Engine

TTFT, TPOT, RATE, GOOD = timing.COLUMNS
SEATS = 8
SETTINGS = {"slots": SEATS, "context": 2048, "cache_ram_mib": 0, "n_ubatch": 16}
engine = Engine(**SETTINGS)
engine.complete(["warm up"], 1)


async def alike(count: int, prompt: int, output: int) -> pd.Series:
    """Equal requests at once: of each mean latency, the less of two."""
    seen = []
    for _ in range(2):
        streams = [timing.Stream(prompt=prompt, output=output) for _ in range(count)]
        await timing.measured(engine, streams, count)
        seen.append(timing.latencies(streams).mean())
    return pd.concat(seen, axis=1).min(axis=1)


curve_ms = {n: (await alike(n, 1, 6))[TPOT] for n in (1, 4, SEATS)}
per_prompt = (await alike(1, 32, 2))[TTFT] / 32
cost = timing.Curve(curve_ms, per_prompt)
steps_cpu = pd.DataFrame({TPOT: curve_ms})
steps_cpu[RATE] = 1000 * steps_cpu.index / steps_cpu[TPOT]
batch_gain = steps_cpu[RATE][SEATS] / steps_cpu[RATE][1]
# This CPU is soon bound by arithmetic.
assert curve_ms[SEATS] > 2 * curve_ms[1] and 0.9 < batch_gain < gain_8 / 2
steps_cpu.rename_axis("sequences").round(1)

# %% name="concurrency" tags=["volatile"]
LENGTHS = [(1, 8), (3, 5), (1, 6), (2, 8), (1, 5), (2, 7), (1, 8), (3, 6)] * 2
TARGET = cost.step(4)  # ms a token
CALLERS = 1, 2, 3, 4, SEATS, 2 * SEATS


def some(callers: int) -> list[tuple[int, int]]:
    return LENGTHS[: 2 * callers + 2]


def goodput(target: float) -> pd.DataFrame:
    """Of the replica in virtual time, by its callers."""
    rows = {}
    for callers in range(1, 2 * SEATS + 1):
        requests = [Request(0, p, n) for p, n in some(callers)]
        timing.predicted(Replica(cost, SEATS), requests, callers)
        rows[callers] = timing.summary(requests, target)
    return pd.DataFrame(rows).T


def last_good(table: pd.DataFrame) -> int:
    """Callers beyond which less than half of the tokens are within the target."""
    return max(table.index[table[GOOD] > 0.5 * table[RATE]], default=0)


real = {}
for callers in CALLERS:
    streams = [timing.Stream(prompt=p, output=n) for p, n in some(callers)]
    await timing.measured(engine, streams, callers)
    real[callers] = timing.summary(streams, TARGET)
real, model = pd.DataFrame(real).T, goodput(TARGET)
single, pair, filled, twice = (real.loc[n] for n in (1, 2, SEATS, 2 * SEATS))
knee_engine, knee_model = last_good(real), last_good(model)
knee_2, knee_6 = (last_good(goodput(cost.step(n))) for n in (2, 6))
tpot_growth = filled[TPOT] / single[TPOT]
ttft_growth = twice[TTFT] / filled[TTFT]
more_tokens = twice[RATE] / filled[RATE] - 1
off = (real / model.loc[list(CALLERS)] - 1).abs().max()
off_tpot, off_rate, off_ttft = off[TPOT], off[RATE], off[TTFT]
# Neighbours make single numbers up to half as large again, so all leave room for it.
assert tpot_growth > 3 and ttft_growth > 1.5 * twice[TPOT] / filled[TPOT]
assert max(filled[RATE], twice[RATE]) > pair[RATE] and abs(more_tokens) < 0.4
assert 2 * more_tokens < ttft_growth - 1  # they mostly wait
assert pair[GOOD] > 5 * filled[GOOD] and twice[GOOD] < 0.05 * twice[RATE]
assert model[RATE].idxmax() >= SEATS > 5 >= knee_model >= 2
assert abs(knee_engine - knee_model) <= 1
assert knee_2 <= knee_model <= knee_6 < SEATS and knee_2 < knee_6  # by the target
assert model[RATE].max() < 1.01 * model[RATE][SEATS]
assert 0.6 < single[RATE] * single[TPOT] / 1000 < 1.1  # 1,000 ms a second
assert abs(pair[TPOT] / model[TPOT][2] - 1) <= off_tpot < 0.7
assert abs(pair[RATE] / model[RATE][2] - 1) <= off_rate < 0.7 and off_ttft < 1
table = pd.concat({"engine": real, "model": model.loc[list(CALLERS)]})
table.swaplevel().sort_index().rename_axis(["callers", ""]).round(0)

# %% name="static" tags=["volatile"]
MIXED = [2, 2, 2, 10, 2, 2, 2, 2] * 2  # tokens of each answer


async def steps(waves: list[list[int]]) -> tuple[float, float]:
    """Steps of the engine, and of a replica in virtual time."""
    before, virtual = engine.metrics()["n_decode_total"], 0.0
    for wave in waves:  # the next one begins when all of this one have ended
        await timing.together(engine, [timing.Stream(output=n) for n in wave])
        replica = Replica(Cost(1, 0, 0), SEATS)
        timing.predicted(replica, [Request(0, 1, n) for n in wave], len(wave))
        virtual += replica.now
    return engine.metrics()["n_decode_total"] - before - len(waves), virtual


steps_static, model_static = await steps([MIXED[:SEATS], MIXED[SEATS:]])
steps_continuous, model_continuous = await steps([MIXED])
fewer = 1 - steps_continuous / steps_static
eight_h100 = tpot_ms(llama, 8) / tpot_ms(llama, 1) - 1
assert 0.15 < fewer < 0.55 and 0.12 < eight_h100 < 0.15
assert (model_static, model_continuous) == (20, 12)
assert abs(steps_static - 20) <= 4 and abs(steps_continuous - 12) <= 4
rows = (steps_static, model_static), (steps_continuous, model_continuous)
counted = pd.DataFrame(rows, ["static", "continuous"], ["engine", "model"])
counted.rename_axis("batching, in steps").astype(int)

# %% name="chunked" tags=["volatile"]
LONG, STREAMS, BUDGET = 64, 4, 12
small = Engine(**SETTINGS, n_batch=BUDGET)  # the one difference: tokens in a step
small.complete(["warm up"], 1)
whole = await timing.while_read(engine, LONG, STREAMS)
cut = await timing.while_read(small, LONG, STREAMS)
small.stop()
pieces = ceil(LONG / (BUDGET - STREAMS))  # each stream takes one token of a step
got_whole, got_cut = (each["tokens of a stream"] for each in (whole, cut))
gap_ratio = whole["longest gap [ms]"] / cut["longest gap [ms]"]
ttft_cost = cut["TTFT [ms]"] / whole["TTFT [ms]"] - 1
assert got_whole <= 2 < pieces - 1 <= got_cut <= pieces + 2
assert gap_ratio > 1.8 and ttft_cost > 0.1
pd.DataFrame({"in one step": whole, "in pieces": cut}).T.round(0)

# %% name="prefix" tags=["volatile"]
SYSTEM, QUESTIONS = list(range(2_000, 2_024)), (3_000, 4_000, 5_000)


def computed(prompts: list[list[int]], cache: bool) -> tuple[int, float]:
    """Prompt tokens that the engine computed, and its processor time."""
    engine.complete([[7]], 1, id_slot=0)  # forgets what it held
    began, ask = timing.cpu_ms(), {"id_slot": 0, "cache_prompt": cache}
    answers = [engine.complete([prompt], 1, **ask)[0] for prompt in prompts]
    return sum(a["timings"]["prompt_n"] for a in answers), timing.cpu_ms() - began


prompts = [SYSTEM + list(range(q, q + 4)) for q in QUESTIONS]
stamped = [[900 + i, *prompt] for i, prompt in enumerate(prompts)]
moved = [[*prompt, 900 + i] for i, prompt in enumerate(prompts)]
prefix = {
    "no cache": computed(prompts, False),
    "cache": computed(prompts, True),
    "cache, time first": computed(stamped, True),
    "cache, time last": computed(moved, True),
}
prefix = pd.DataFrame(prefix, index=["prompt tokens", "CPU [ms]"]).T
(read_off, ms_off), (read_on, ms_on), (read_first, ms_first), (read_last, _) = (
    prefix.to_numpy()
)
assert read_off == sum(map(len, prompts)) and read_on == len(SYSTEM) + 4 * 3
assert read_first == sum(map(len, stamped)) and read_last == read_on + 3
assert ms_on < 0.75 * ms_off and ms_first > 1.3 * ms_on
prefix.round(0)

# %% name="stages" tags=["volatile"]
from stages import spent

mix = {
    "short chat": await spent(engine, 1, ["a b c"], 16),
    "long document": await spent(engine, 1, ["a b c d " * 16], 2),
    "6 at once": await spent(engine, 1, ["a b c"] * 6, 4),
}
stages = pd.DataFrame({name: table.mean() for name, table in mix.items()}).T
parts = ["queue", "prefill", "decode"]
shares = stages[parts].div(stages["whole"], axis=0)
shares["rest"] = 1 - shares.sum(axis=1)
first_off = (stages["queue"] + stages["prefill"]) / stages["first token"] - 1
chat_decode, document_prefill = shares["decode"].iloc[0], shares["prefill"].iloc[1]
burst_queue, rest = shares["queue"].iloc[2], shares["rest"].max()
assert shares[parts].idxmax(axis=1).tolist() == ["decode", "prefill", "queue"]
assert min(chat_decode, document_prefill, burst_queue) > 0.45
assert (
    -0.02 < shares["rest"].min()
    and (shares["rest"] <= rest).all()
    and rest < 0.3
    and first_off.abs().max() < 0.4
)
shares.round(2)
