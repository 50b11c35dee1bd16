"""The arithmetic of transformers that notebooks share, and the shapes in the facts."""

import runpy
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from qa import facts

ROOT = Path(__file__).parents[2]
FACTS = facts.read(ROOT / "docs/facts.yml")


def load() -> SimpleNamespace:
    """As a run finds it: beside the facts."""
    with TemporaryDirectory() as folder:
        for name in ("facts.py", "transformer_costs.py"):
            shutil.copy(ROOT / "hooks/qa/run/lent" / name, folder)
        Path(folder, "facts.json").write_text(facts.as_json(FACTS.by_id.values()))
        sys.path.insert(0, folder)
        try:
            return SimpleNamespace(**runpy.run_path(str(Path(folder, "transformer_costs.py"))))
        finally:
            sys.path.remove(folder)
            sys.modules.pop("facts")


costs = load()
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


@pytest.mark.parametrize(("name", "billions"), [("8b", 8.03), ("70b", 70.55), ("405b", 405.85)])
def test_sizes_of_llama(name: str, billions: float) -> None:
    shape = costs.transformer(f"llama_3_1_{name}")
    assert shape.parameters / 1e9 == pytest.approx(billions, abs=0.01)


MODELS = {group for group in FACTS.titles if f"{group}.published_b" in FACTS.by_id}


@pytest.mark.parametrize("name", sorted(MODELS))
def test_shapes_have_the_published_sizes(name: str) -> None:
    published = FACTS.by_id[f"{name}.published_b"].value
    assert isinstance(published, int | float)
    # The names of models are rounded.
    exact = 0.002 if isinstance(published, float) or published > 600 else 0.025
    assert costs.transformer(name).parameters / 1e9 == pytest.approx(published, rel=exact)


@pytest.mark.parametrize(
    ("name", "billions", "with_input"),
    [
        ("deepseek_v3", 36.7, False),
        ("gpt_oss_120b", 5.13, False),
        ("qwen3_30b_a3b", 3.3, True),
        ("qwen3_235b_a22b", 22, True),
    ],
)
def test_active_parameters_are_those_published(
    name: str, billions: float, with_input: bool
) -> None:
    shape = costs.transformer(name)
    active = shape.active_parameters + with_input * shape.embedding_parameters
    assert active / 1e9 == pytest.approx(billions, rel=0.02)
    assert FACTS.by_id[f"{name}.published_active_b"].value == billions


def test_a_latent_cache_is_one_vector_a_layer() -> None:
    # DeepSeek-AI, DeepSeek-V2, 2024, table 1: (d_c + d_h^R) l values a token.
    assert costs.transformer("deepseek_v3").kv_bytes() == 61 * (512 + 64) * 2


def test_a_cache_grows_in_layers_without_a_window() -> None:
    shape = costs.transformer("gpt_oss_120b")
    assert shape.kv_bytes() == 18 * 2 * 8 * 64 * 2
    below, above = (shape.forward_flops(n + 1) - shape.forward_flops(n) for n in (100, 1_000))
    assert below == 2 * above


def test_dense_models_multiply_all_but_the_input_matrix() -> None:
    shape = costs.transformer("qwen3_8b")
    norms = (2 * shape.layers + 1) * shape.width
    assert shape.parameters - shape.active_parameters == shape.embedding_parameters + norms


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
    assert costs.accelerator("h100_sxm").ridge == pytest.approx(295, abs=1)


@pytest.mark.parametrize(
    ("group", "name"),
    [("a100_80gb_sxm", "A100 80GB SXM"), ("l40s", "L40S"), ("ascend_910b", "Ascend 910B")],
)
def test_devices_have_their_names(group: str, name: str) -> None:
    assert costs.accelerator(group).name == name
