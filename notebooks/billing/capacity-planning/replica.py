"""How many requests one serving replica holds, and how many it completes a second."""

from dataclasses import dataclass

from facts import fact
from transformer_costs import Accelerator, Transformer


@dataclass(frozen=True)
class Replica:
    model: Transformer
    device: Accelerator
    devices: int
    value_bytes: float = 2
    """Of a weight and of a cached value: 2 for BF16, 1 for FP8, which doubles the peak."""
    usable: float = fact("vllm_defaults.gpu_memory_utilization")
    """Share of the memory that the engine may take."""
    workspace: float = 2e9
    """Bytes a device for activations, graphs and communication: assumed."""
    compute_efficiency: float = 0.5
    bandwidth_efficiency: float = 0.6

    # --8<-- [start:capacity]
    @property
    def cache_tokens(self) -> int:
        """What fits beside the weights: often forgotten, and then nothing does."""
        memory = self.device.memory * self.usable - self.workspace
        free = self.devices * memory - self.model.parameters * self.value_bytes
        return max(0, int(free / self.model.kv_bytes(self.value_bytes)))

    def prefill_seconds(self, prompt: float) -> float:
        peak = self.devices * self.device.bf16_flops * 2 / self.value_bytes
        operations = prompt * self.model.forward_flops(prompt / 2)
        return operations / (peak * self.compute_efficiency)

    def step_seconds(self, batch: float, context: float) -> float:
        """One decoding step reads all weights and the cache of every sequence."""
        cache = batch * context * self.model.kv_bytes(self.value_bytes)
        read = self.model.parameters * self.value_bytes + cache
        bandwidth = self.devices * self.device.bandwidth * self.bandwidth_efficiency
        return read / bandwidth

    def residence_seconds(self, batch: float, prompt: float, output: float) -> float:
        """A sequence waits for its own steps and for the prefills of the others."""
        step = self.step_seconds(batch, prompt + output / 2)
        return batch * self.prefill_seconds(prompt) + output * step

    def requests_per_second(self, batch: float, prompt: float, output: float) -> float:
        return batch / self.residence_seconds(batch, prompt, output)  # Little's law

    # --8<-- [end:capacity]

    def slots(
        self, prompt: float, output: float, token_seconds: float = float("inf")
    ) -> int:
        """The largest batch that fits and keeps to `token_seconds` an output token."""
        batch = int(self.cache_tokens / (prompt + output))
        while (
            batch
            and self.residence_seconds(batch, prompt, output) > output * token_seconds
        ):
            batch -= 1
        return batch
