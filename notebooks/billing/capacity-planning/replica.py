"""How many requests one serving replica holds, and how many it completes a second."""

from dataclasses import dataclass

from facts import fact
from transformer_costs import Accelerator, Transformer

GIB = 2**30


@dataclass(frozen=True)
class Replica:
    model: Transformer
    device: Accelerator
    devices: int
    value_bytes: float = 2
    """Of a weight and of a cached value: 2 for BF16, 1 for FP8, which doubles the peak."""
    usable: float = fact("vllm_defaults.gpu_memory_utilization")
    """Share of the memory that the engine may take."""
    memory_gib: float = fact("cuda_memory.h100_gib")
    """What CUDA reports of a device."""
    workspace_gib: float = 3.58 + 1.26
    """Beside weights and cache, on each of two devices: the log in vLLM pull request 10511, of Llama 3 8B."""
    efficiency: float = 1
    """Of this replica, over 0.5 of the peak operations and 0.6 of the peak bandwidth."""

    # --8<-- [start:capacity]
    @property
    def cache_tokens(self) -> int:
        """What fits beside the weights."""
        memory = (self.memory_gib * self.usable - self.workspace_gib) * GIB
        free = self.devices * memory - self.model.parameters * self.value_bytes
        return max(0, int(free / self.model.kv_bytes(self.value_bytes)))

    def prefill_seconds(self, prompt: float) -> float:
        peak = self.devices * self.device.bf16_flops * 2 / self.value_bytes
        operations = prompt * self.model.forward_flops(prompt / 2)
        return operations / (0.5 * self.efficiency * peak)

    def step_seconds(self, batch: float, context: float) -> float:
        """One decoding step reads all weights and the cache of every sequence."""
        cache = batch * context * self.model.kv_bytes(self.value_bytes)
        read = self.model.parameters * self.value_bytes + cache
        bandwidth = self.devices * self.device.bandwidth
        return read / (0.6 * self.efficiency * bandwidth)

    def residence_seconds(self, batch: float, prompt: float, output: float) -> float:
        """A sequence waits for its own steps and for the prefills of the others."""
        step = self.step_seconds(batch, prompt + output / 2)
        return batch * self.prefill_seconds(prompt) + output * step

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

    def output_tokens_per_second(self, prompt: float, output: float) -> float:
        slots = self.slots(prompt, output)
        return slots * output / self.residence_seconds(slots, prompt, output)
