"""llama.cpp's server with its KV cache in another type: bytes, and the next token's odds."""

import math
import os

import httpx
from language_model import Engine
from xllamacpp import ggml_type, llama_flash_attn_type

F16, Q8, Q4 = (
    ggml_type.GGML_TYPE_F16,
    ggml_type.GGML_TYPE_Q8_0,
    ggml_type.GGML_TYPE_Q4_0,
)


# --8<-- [start:odds]
def next_tokens(tokens: list[int], ends: range, keys, values) -> tuple[list[dict], float]:
    """Log-probabilities of the 20 likeliest tokens after each end; cache bytes a token."""
    attention = llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    types = {"cache_type_k": keys, "cache_type_v": values, "flash_attn_type": attention}
    answers = []
    with (
        Engine(slots=1, context=512, slot_save_path=os.getcwd() + "/", **types) as engine,
        httpx.Client(base_url=engine.address, timeout=60) as client,
    ):
        for end in ends:
            ask = {"prompt": tokens[:end], "n_predict": 1, "n_probs": 20, "temperature": 0}
            answer = client.post("/completion", json=ask).json()
            likeliest = answer["completion_probabilities"][0]["top_logprobs"]
            answers.append({token["id"]: token["logprob"] for token in likeliest})
        saved = client.post("/slots/0?action=save", json={"filename": "cache.bin"}).json()
    return answers, saved["n_written"] / saved["n_saved"]


# --8<-- [end:odds]


def divergence(original: list[dict], changed: list[dict]) -> list[float]:
    """KL over the original's 20 likeliest; one that fell out counts as the 20th."""
    return [
        sum(math.exp(p) * (p - b.get(token, min(b.values()))) for token, p in a.items())
        for a, b in zip(original, changed)
    ]
