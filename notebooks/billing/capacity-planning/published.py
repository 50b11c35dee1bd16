"""Measurements that others published, to hold the calculator to."""

from transformer_costs import transformer

NAMES = ("llama_3_1_8b", "llama_3_1_70b", "llama_3_1_405b")
LLAMA_3_1_8B, LLAMA_3_1_70B, LLAMA_3_1_405B = map(transformer, NAMES)

# Parameters active a token, tokens, million GPU hours. Meta, Llama 3.1 model card, 2024 ("15T+"; the
# paper says 15.6T for 405B); DeepSeek-AI, DeepSeek-V3 Technical Report, 2024 (pre-training only).
TRAINING = {
    "Llama 3.1 8B": (LLAMA_3_1_8B.parameters, 15e12, 1.46),
    "Llama 3.1 70B": (LLAMA_3_1_70B.parameters, 15e12, 7.0),
    "Llama 3.1 405B": (LLAMA_3_1_405B.parameters, 15.6e12, 30.84),
    "DeepSeek-V3": (37e9, 14.8e12, 2.664),
}

# Output tokens a second under unlimited load, FP8 on H100 SXM, by prompt and output tokens.
# NVIDIA, TensorRT-LLM performance overview, 2025.
SERVING = {
    ("8B", LLAMA_3_1_8B, 1): {
        (128, 2048): 22_714,
        (500, 2000): 17_660,
        (1000, 1000): 15_220,
        (1000, 2000): 13_899,
        (2048, 128): 3_450,
        (2048, 2048): 9_305,
        (5000, 500): 3_459,
        (20_000, 2000): 1_351,
    },
    ("70B", LLAMA_3_1_70B, 2): {
        (128, 2048): 6_651,
        (500, 2000): 5_222,
        (1000, 1000): 4_205,
        (1000, 2000): 4_146,
        (2048, 128): 762,
        (2048, 2048): 3_082,
        (5000, 500): 898,
        (20_000, 2000): 437,
    },
    ("405B", LLAMA_3_1_405B, 8): {
        (128, 2048): 4_340,
        (500, 2000): 3_994,
        (1000, 1000): 2_919,
        (1000, 2000): 2_895,
        (2048, 128): 453,
        (2048, 2048): 2_296,
        (5000, 500): 610,
        (20_000, 2000): 345,
    },
}

# KV cache bytes granted and blocks of 16 tokens made of them, Llama 3.1 8B in BF16 on a 24 GB card,
# with max-model-len 20,000 and 29,000: a user's log in vLLM issue 10517, 2024.
VLLM_BLOCKS = {3.81 * 2**30: 1952, 2.89 * 2**30: 1478}


def calculated_over_measured(replica_of) -> dict[tuple[str, str], float]:
    """For each measurement in SERVING; `replica_of` makes a replica of a model and devices."""
    ratios = {}
    for (name, model, devices), measurements in SERVING.items():
        replica = replica_of(model, devices)
        for (prompt, output), measured in measurements.items():
            slots = replica.slots(prompt, output)
            tokens = replica.requests_per_second(slots, prompt, output) * output
            ratios[f"{name} on {devices}", f"{prompt:,}/{output:,}"] = tokens / measured
    return ratios
