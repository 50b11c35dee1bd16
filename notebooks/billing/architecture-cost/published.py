"""Measurements that others published, to fit the model to and to check it against."""

from transformer_costs import Transformer, transformer

# NVIDIA, TensorRT-LLM 1.0, docs/source/performance/perf-overview.md (2025): output tokens a second of
# a replica under full load, by tokens in and out; Llama 3.3 70B has the shape of Llama 3.1 70B.
SHAPES = [(128, 128), (128, 2048), (128, 4096), (500, 2000), (1000, 1000)]
SHAPES += [(1000, 2000), (2048, 128), (2048, 2048), (5000, 500), (20000, 2000)]
TENSORRT_LLM = {
    ("70B", "H200", 1): [3803, 4336, 2872, 3666, 2909, 2994, 442, 2003, 566, 283],
    ("70B", "H100", 2): [6378, 6651, 4199, 5222, 4205, 4146, 762, 3082, 898, 437],
    ("405B", "H200", 8): [3814, 5348, 4741, 4724, 3330, 3722, 456, 2948, 650, 505],
    ("405B", "H100", 8): [3627, 4340, 3116, 3994, 2919, 2895, 453, 2296, 610, 345],
    ("8B", "H200", 1): [
        27911,
        26221,
        18027,
        20770,
        17744,
        16828,
        3538,
        12194,
        3902,
        1804,
    ],
    ("8B", "H100", 1): [
        28312,
        22714,
        14325,
        17660,
        15220,
        13899,
        3450,
        9305,
        3459,
        1351,
    ],
    ("70B", "B200", 1): [11147, 9922, 6831, 7762, 7007, 6271, 1339, 4783, 1459, 665],
}
LLAMA = {"8B": "llama_3_1_8b", "70B": "llama_3_1_70b", "405B": "llama_3_1_405b"}
MODELS = {size: transformer(name) for size, name in LLAMA.items()}

# MLCommons, inference_results_v4.1 (August 2024), llama2-70b-99, Offline, eight devices: tokens a
# second of the server. OpenOrca: about 294 tokens in and 290 out.
LLAMA_2_70B = Transformer(80, 8192, 64, 8, 28_672, 32_000)
MLPERF = {"H100": 24_524.9, "H200": 31_302.7, "MI300X": 23_514.8}

# Google, tpu-recipes, inference/trillium/vLLM/Llama3.x (vLLM 0.12): eight v6e, 1,000 tokens in and
# out, BF16: sequences at once, tokens a second, milliseconds a token.
TPU_V6E = [(64, 2494.80, 25.35), (128, 3544.46, 35.12)]

# NVIDIA, NIM for LLMs benchmarking 1.0.0, NIM 1.8.0: Llama 3.3 70B on two H100, FP8, 5,000 tokens in
# and 500 out: sequences at once, tokens a second, milliseconds between tokens.
NIM = [(1, 51.67, 18.58), (5, 218.48, 21.83), (25, 623.40, 38.75), (50, 814.37, 59.73)]

# DeepSeek, DeepSeek-V3/R1 Inference System Overview (2025): 24 hours from 2025-02-27, H800 nodes of 8.
DEEPSEEK = {
    "nodes": 226.75,
    "peak nodes": 278,
    "input tokens": 608e9,
    "cache hits": 342e9,
    "output tokens": 168e9,
    "input tokens/s a node": 73_700,
    "output tokens/s a node": 14_800,
    "$ a GPU-hour": 2,
    "$ a day": 87_072,
}
