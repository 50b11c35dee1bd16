"""The arithmetic of transformers that the notebooks of the billing theme share."""

import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

FILE = Path(__file__).parents[2] / "notebooks" / "billing" / "transformer_costs.py"
costs = SimpleNamespace(**runpy.run_path(str(FILE)))
SMALL = costs.Transformer(3, 64, 8, 2, 160, 1_000)


class Layer(nn.Module):
    """One layer of a Llama, without rotary positions, which have no parameters and no matrices."""

    def __init__(self, shape: Any) -> None:
        super().__init__()
        kv_width = shape.kv_heads * shape.head_width
        self.shape = shape
        self.norms = nn.ModuleList(nn.RMSNorm(shape.width) for _ in range(2))
        self.q, self.o = (nn.Linear(shape.width, shape.width, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(shape.width, kv_width, bias=False) for _ in range(2))
        self.gate, self.up = (
            nn.Linear(shape.width, shape.feed_forward, bias=False) for _ in range(2)
        )
        self.down = nn.Linear(shape.feed_forward, shape.width, bias=False)
        self.cache: tuple[Tensor, Tensor]

    def forward(self, x: Tensor) -> Tensor:
        tokens, y = len(x), self.norms[0](x)
        self.cache = (self.k(y), self.v(y))
        q = self.q(y).view(tokens, self.shape.heads, -1).transpose(0, 1)
        shared = self.shape.heads // self.shape.kv_heads
        k, v = (
            part.view(tokens, self.shape.kv_heads, -1).repeat_interleave(shared, 1).transpose(0, 1)
            for part in self.cache
        )
        attended = torch.bmm(torch.softmax(torch.bmm(q, k.transpose(1, 2)), -1), v)
        x = x + self.o(attended.transpose(0, 1).reshape(tokens, -1))
        y = self.norms[1](x)
        output: Tensor = x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))
        return output


class Llama(nn.Module):
    def __init__(self, shape: Any) -> None:
        super().__init__()
        self.embedding = nn.Embedding(shape.vocabulary, shape.width)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width)
        self.output = nn.Linear(shape.width, shape.vocabulary, bias=False)
        if shape.tied:
            self.output.weight = self.embedding.weight

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embedding(tokens)
        for layer in self.layers:
            x = layer(x)
        logits: Tensor = self.output(self.norm(x))
        return logits


def count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("tied", [False, True])
def test_parameters_are_those_of_a_model(tied: bool) -> None:
    shape = costs.Transformer(3, 64, 8, 2, 160, 1_000, tied)
    assert shape.parameters == count(Llama(shape))


@pytest.mark.parametrize(("name", "billions"), [("8B", 8.03), ("70B", 70.55), ("405B", 405.85)])
def test_published_sizes(name: str, billions: float) -> None:
    shape = getattr(costs, f"LLAMA_3_1_{name}")
    assert shape.parameters / 1e9 == pytest.approx(billions, abs=0.01)


def test_operations_are_those_that_torch_counts() -> None:
    tokens = 32
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        Llama(SMALL)(torch.zeros(tokens, dtype=torch.long))
    # Without a mask each token attends to all.
    assert counter.get_total_flops() == tokens * SMALL.forward_flops(tokens)


def test_cache_bytes_are_those_of_keys_and_values() -> None:
    model, tokens = Llama(SMALL), 10
    with torch.no_grad():
        model(torch.zeros(tokens, dtype=torch.long))
    held = sum(part.nbytes for layer in model.layers for part in layer.cache)  # type: ignore[union-attr]
    assert held == tokens * SMALL.kv_bytes(4)


def test_ridge_is_operations_a_byte() -> None:
    assert costs.H100.ridge == pytest.approx(295, abs=1)
