"""The KV cache in fewer bits: its bytes in llama.cpp, its loss in PyTorch."""

import os
from typing import Any

import httpx
import quantize
from language_model import Engine
from torch import Tensor
from transformers import DynamicCache
from xllamacpp import ggml_type, llama_flash_attn_type


def bytes_per_token(kind: str, prompt: str) -> float:
    """What the engine writes when it saves the cache of a slot."""
    cache = getattr(ggml_type, f"GGML_TYPE_{kind}")
    attention = llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED
    settings = {
        "cache_type_k": cache,
        "cache_type_v": cache,
        "flash_attn_type": attention,
    }
    with (
        Engine(
            slots=1, context=256, slot_save_path=os.getcwd() + "/", **settings
        ) as engine,
        httpx.Client(base_url=engine.address, timeout=60) as client,
    ):
        client.post(
            "/completion", json={"prompt": prompt, "n_predict": 1}
        ).raise_for_status()
        saved = client.post("/slots/0?action=save", json={"filename": kind}).json()
    return saved["n_written"] / saved["n_saved"]


# --8<-- [start:cache]
class RoundedCache(DynamicCache):
    """All that attention reads from it has been through so many bits, 32 to a scale."""

    def __init__(self, key_bits: int, value_bits: int):
        super().__init__()
        self.bits = key_bits, value_bits

    def update(self, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any) -> Any:
        keys, values = (
            x
            if bits == 16
            else quantize.to_int(x.unflatten(-1, (-1, 32)), bits, -1).flatten(-2)
            for x, bits in zip((keys, values), self.bits)
        )
        return super().update(keys, values, *args, **kwargs)


# --8<-- [end:cache]
