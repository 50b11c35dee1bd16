"""The KV cache in fewer bits: its bytes in llama.cpp, its loss in PyTorch."""

import os
from collections.abc import Callable
from typing import Any

import httpx
from language_model import Engine
from torch import Tensor
from transformers import DynamicCache
from xllamacpp import ggml_type, llama_flash_attn_type


def bytes_per_token(keys: str, values: str, prompt: str) -> float:
    """What the engine writes when it saves the cache of a slot."""
    settings = {
        "cache_type_k": getattr(ggml_type, f"GGML_TYPE_{keys}"),
        "cache_type_v": getattr(ggml_type, f"GGML_TYPE_{values}"),
        "flash_attn_type": llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_ENABLED,
        "slot_save_path": os.getcwd() + "/",
    }
    with Engine(slots=1, context=256, **settings) as engine:
        engine.complete([prompt], 1)
        url = engine.address + "/slots/0?action=save"
        saved = httpx.post(url, json={"filename": "cache"}, timeout=60).json()
    return saved["n_written"] / saved["n_saved"]


class RoundedCache(DynamicCache):
    """All that attention reads from it has been rounded."""

    def __init__(self, *round: Callable[[Tensor], Tensor]):
        super().__init__()
        self.round_key, self.round_value = round

    def update(self, keys: Tensor, values: Tensor, *args: Any, **kwargs: Any) -> Any:
        keys, values = self.round_key(keys), self.round_value(values)
        return super().update(keys, values, *args, **kwargs)
