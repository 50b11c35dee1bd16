"""How long a step of continuous batching takes on given devices, and how many sequences they hold.

A roofline: matrices take as long as computing or as reading, whichever is longer. Sources of the
formulas: Williams et al., Roofline, 2009; Pope et al., Efficiently Scaling Transformer Inference,
2022; DeepSeek-AI, DeepSeek-V2, 2024 (decoding on latent vectors).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformer_costs import Transformer  # type: ignore[import-not-found]

Numbers = float | NDArray[np.float64]
PEAKS = {2: ["bf16_tflops"], 1: ["fp8_tflops", "int8_tops"], 0.5: ["fp4_tflops"]}
"""Facts of a device with its dense peak, by the bytes of a weight."""


@dataclass(frozen=True)
class Replica:
    """Devices that serve one model together, its matrices split over all of them."""

    model: Transformer
    sheet: dict[str, Any]
    """The facts of one device."""
    devices: int = 1
    value_bytes: float = 1
    """Of a weight; a cached value takes at least one byte."""
    wire: float = 0.5
    """Share of a link's peak that sums over devices attain: assumed."""

    @property
    def flops(self) -> float:
        """Dense operations a second of all devices, at this precision."""
        peaks = [self.sheet[name] for name in PEAKS[self.value_bytes] if name in self.sheet]
        return self.devices * max(peaks, default=float("nan")) * 1e12

    @property
    def bandwidth(self) -> float:
        return float(self.devices * self.sheet["bandwidth_tb_s"] * 1e12)

    @property
    def token_bytes(self) -> float:
        """Of the cache, for a token."""
        return float(self.model.kv_bytes(max(1, self.value_bytes)))

    def holds(self, tokens: float, usable: float) -> float:
        """Sequences of `tokens` tokens that fit beside the weights in a share of the memory."""
        free = self.devices * self.sheet["memory_gb"] * 1e9 * usable
        free -= self.model.parameters * self.value_bytes
        return float(max(0.0, free / (self.token_bytes * tokens)))

    def weights_read(self, tokens: Numbers) -> Numbers:
        """Weights that meet at least one of `tokens` tokens; routing is taken to be even."""
        m = self.model
        all_read = float(m.parameters - (0 if m.tied else m.embedding_parameters))
        if not m.experts:
            return all_read
        routed = float((m.layers - m.dense_layers) * m.experts * 3 * m.width * m.expert_width)
        idle = float(1 - m.active_experts / m.experts)
        return all_read - routed * idle**tokens

    def step(
        self, batch: Numbers, prompt: float, output: float, compute: Numbers, memory: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Seconds of a step, and of the prompts in it: all of `batch` sequences decode a token,
        and prompts join as fast as answers end. `compute`, `memory`: shares of peaks attained."""
        m, rate, reading = self.model, self.flops * compute, self.bandwidth * memory
        joining = batch * prompt / output  # tokens of prompts; their last one needs the vocabulary
        head = 2 * m.embedding_parameters
        prefill = joining * (m.forward_flops(prompt / 2) - head) + head * batch / output
        tokens, context = batch + joining, prompt + output / 2
        weights = self.weights_read(tokens) * self.value_bytes / reading
        # Attention reads the cache; on latent vectors computing may take longer than that.
        scores = 4 * m.kv_rank + 2 * m.rope_width if m.kv_rank else 4 * m.head_width
        attention = np.maximum(
            batch * context * self.token_bytes / reading,
            batch * context * m.layers * m.heads * scores / rate,
        )
        # Two sums over devices a layer, two bytes a value, each sent 2 (n - 1) / n times.
        sent = 8 * m.layers * m.width * (self.devices - 1) / self.devices
        link = self.sheet.get("link_gb_s", float("nan")) * 1e9 * self.wire
        exchange = sent * tokens / link if self.devices > 1 else 0.0
        matrices = np.maximum((prefill + 2 * m.active_parameters * batch) / rate, weights)
        return matrices + attention + exchange, prefill / rate + exchange * joining / tokens
