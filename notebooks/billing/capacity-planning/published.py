"""Measurements that others published, to hold the calculator to."""

import pandas as pd
from replica import Replica
from transformer_costs import accelerator, transformer

NAMES = ("llama_3_1_8b", "llama_3_1_70b", "llama_3_1_405b")
LLAMA_3_1_8B, LLAMA_3_1_70B, LLAMA_3_1_405B = map(transformer, NAMES)
H100, A100 = accelerator("h100_sxm"), accelerator("a100_80gb_sxm")

# Parameters active a token, tokens, million GPU hours. Meta, Llama 3.1 model card, 2024 ("15T+"; the
# paper says 15.6T for 405B); DeepSeek-AI, DeepSeek-V3 Technical Report, 2024 (pre-training only).
TRAINING = {
    "Llama 3.1 8B": (LLAMA_3_1_8B.parameters, 15e12, 1.46),
    "Llama 3.1 70B": (LLAMA_3_1_70B.parameters, 15e12, 7.0),
    "Llama 3.1 405B": (LLAMA_3_1_405B.parameters, 15.6e12, 30.84),
    "DeepSeek-V3": (37e9, 14.8e12, 2.664),
}

# Output tokens a second of Llama 3.1 70B under unlimited load, by prompt and output tokens:
# NVIDIA, TensorRT-LLM 0.17, performance overview, 2025. Devices, bytes a value.
SHAPES = [(128, 2048), (500, 2000), (1000, 1000), (2048, 2048)]
LONG_PROMPTS = [(2048, 128), (5000, 500), (20_000, 2000)]
SERVING = {
    "2 H100, FP8": (H100, 2, 1, [6170, 4973, 4391, 2898, 773, 920, 443]),
    "4 H100, FP8": (H100, 4, 1, [11_512, 9837, 7431, 5480, 1303, 1603, 920]),
    "8 H100, FP8": (H100, 8, 1, [17_062, 14_679, 11_451, 8802, 1923, 2457, 1513]),
    "4 A100, FP16": (A100, 4, 2, [2811, 2276, 1922, 1394, 325, 393, 212]),
}

# KV cache bytes granted to Llama 3.1 8B, and blocks of 16 tokens made of them: a user's log in
# vLLM issue 10517, 2024.
VLLM_BLOCKS = {3.81 * 2**30: 1952, 2.89 * 2**30: 1478}


def calculated_over_measured() -> pd.DataFrame:
    """By configuration (rows) and by prompt and output tokens (columns)."""
    ratios = {}
    for name, (device, devices, value_bytes, measured) in SERVING.items():
        replica = Replica(LLAMA_3_1_70B, device, devices, value_bytes)
        ratios[name] = {
            shape: replica.output_tokens_per_second(*shape) / tokens
            for shape, tokens in zip(SHAPES + LONG_PROMPTS, measured, strict=True)
        }
    return pd.DataFrame(ratios).T
