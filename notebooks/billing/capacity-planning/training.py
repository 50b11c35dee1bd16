"""How many devices a training run needs: to fit, and to be ready in time."""

import math
from dataclasses import dataclass

from transformer_costs import Accelerator, Transformer


def exact_over_6nd(model: Transformer, sequence: int) -> float:
    """Operations with attention, each token to half the sequence on average, over 6ND."""
    return 3 * model.forward_flops(sequence // 2) / (6 * model.parameters)


@dataclass(frozen=True)
class Run:
    model: Transformer
    tokens: float
    days: float
    sequence: int

    @property
    def activation_bytes(self) -> float:
        """With activation checkpointing: the input of every layer, and one layer in full."""
        inputs = 2 * self.sequence * self.model.width * self.model.layers
        return inputs + 34 * self.sequence * self.model.width

    def to_fit(self, device: Accelerator, on_each: int, shared: int) -> float:
        """Devices, for so many bytes a parameter on each of them and so many shared by all."""
        room = (
            0.9 * device.memory
            - self.activation_bytes
            - on_each * self.model.parameters
        )
        return (
            math.ceil(shared * self.model.parameters / room) if room > 0 else math.inf
        )

    def in_time(self, peak: float, utilisation: float) -> int:
        flops = 6 * self.model.parameters * self.tokens
        return math.ceil(flops / (peak * utilisation * self.days * 86_400))
