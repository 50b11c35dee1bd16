"""What a training step holds in memory, counted on a real model."""

import math

import torch
from torch import Tensor, nn


class Layer(nn.Module):
    """The transformer layer that Korthikanti et al. count, dropout included."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(2))
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        head_width = width // self.heads
        qkv = self.qkv(self.norms[0](x)).view(batch, tokens, 3, self.heads, head_width)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        scores = q @ k.transpose(-1, -2) / math.sqrt(head_width)
        mixed = _dropout(torch.softmax(scores, -1)) @ v
        x = x + _dropout(self.out(mixed.transpose(1, 2).reshape(x.shape)))
        inner = nn.functional.gelu(self.up(self.norms[1](x)))
        return x + _dropout(self.down(inner))


def _dropout(x: Tensor) -> Tensor:
    # This one keeps a mask of one byte a value, as on a GPU; nn.Dropout on a CPU keeps two.
    return torch.native_dropout(x, 0.1, True)[0]


def activation_bytes(module: nn.Module, x: Tensor) -> int:
    """Bytes that the forward pass keeps for the backward pass, parameters aside."""
    parameters = {p.untyped_storage().data_ptr() for p in module.parameters()}
    kept: dict[
        int, Tensor
    ] = {}  # holding the tensors keeps their addresses from being reused

    def keep(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in parameters:
            kept[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        module(x)
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def state_bytes(module: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, int]:
    """Bytes of the parameters, their gradients and what the optimizer remembers of each."""
    parameters = list(module.parameters())
    moments = [
        value
        for state in optimizer.state.values()
        for name, value in state.items()
        if name != "step"  # a counter, not a tensor of the parameter's shape
    ]
    return {
        "weights": sum(p.nbytes for p in parameters),
        "gradients": sum(p.grad.nbytes for p in parameters),
        "Adam moments": sum(moment.nbytes for moment in moments),
    }
