"""Rounding to few bits, and the same model with its weights or its inputs rounded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


# --8<-- [start:round]
def largest(x: Tensor, shared: int | None) -> Tensor:
    """Of all numbers, or of those along one dimension: they share a scale."""
    top = x.abs().amax() if shared is None else x.abs().amax(shared, keepdim=True)
    return top.clamp_min(1e-9)


def to_int(x: Tensor, bits: int, shared: int | None = None) -> Tensor:
    scale = largest(x, shared) / (2 ** (bits - 1) - 1)
    return (x / scale).round() * scale


def in_groups(x: Tensor, bits: int, group: int) -> Tensor:
    """`group` neighbours in the last dimension share a scale."""
    return to_int(x.unflatten(-1, (-1, group)), bits, -1).flatten(-2)


def to_fp8(x: Tensor, scale: float | None = None) -> Tensor:
    scale = scale or largest(x, None) / 448  # the largest number of E4M3
    return (x / scale).clamp(-448, 448).to(torch.float8_e4m3fn).float() * scale


# --8<-- [end:round]


# --8<-- [start:gptq]
def gptq(weight: Tensor, gram: Tensor, bits: int, group: int) -> Tensor:
    """Those not yet rounded make up for the error so far; `gram` is X'X of the inputs."""
    damped = gram + 0.1 * gram.diagonal().mean() * torch.eye(len(gram))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    factor = torch.linalg.cholesky(inverse, upper=True)
    left, rounded = weight.clone(), torch.empty_like(weight)
    limit = 2 ** (bits - 1) - 1
    for start in range(0, len(gram), group):
        end = start + group
        scale = left[:, start:end].abs().amax(1).clamp_min(1e-9) / limit
        errors = torch.empty(len(weight), group)
        for i in range(start, end):
            levels = (left[:, i] / scale).round().clamp(-limit, limit)
            rounded[:, i] = levels * scale
            errors[:, i - start] = (left[:, i] - rounded[:, i]) / factor[i, i]
            left[:, i:end] -= errors[:, i - start, None] * factor[i, i:end]
        left[:, end:] -= errors @ factor[start:end, end:]
    return rounded


# --8<-- [end:gptq]


@contextmanager
def replaced(layers: list[nn.Linear], weights: list[Tensor]) -> Iterator[None]:
    kept = [layer.weight.data for layer in layers]
    for layer, weight in zip(layers, weights):
        layer.weight.data = weight
    yield
    for layer, weight in zip(layers, kept):
        layer.weight.data = weight


def changed(layers: list[nn.Linear], change: Callable[[Tensor], Tensor]):
    return replaced(layers, [change(layer.weight.data) for layer in layers])


@contextmanager
def fed(layers: list[nn.Linear], change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    hooks = [
        layer.register_forward_pre_hook(lambda _, args: (change(args[0]),))
        for layer in layers
    ]
    yield
    for hook in hooks:
        hook.remove()


@contextmanager
def watched(layers: list[nn.Linear]) -> Iterator[dict[nn.Module, Tensor]]:
    """The inputs [token, channel] of each layer, from the last run of the model."""
    inputs: dict[nn.Module, Tensor] = {}

    def watch(layer: nn.Module, args: tuple[Tensor]) -> None:
        inputs[layer] = args[0].flatten(0, 1)

    hooks = [layer.register_forward_pre_hook(watch) for layer in layers]
    yield inputs
    for hook in hooks:
        hook.remove()


def error(layers: list[nn.Linear], weights: list[Tensor]) -> float:
    """Of the weights, relative; the mean over the layers."""
    kept = [layer.weight.data for layer in layers]
    off = [(new - old).norm() / old.norm() for old, new in zip(kept, weights)]
    return torch.stack(off).mean().item()


def hidden_states(model: nn.Module, texts: Tensor) -> tuple[Tensor, ...]:
    """What enters each layer [text, token, channel]."""
    with torch.inference_mode():
        return model.model(texts, output_hidden_states=True).hidden_states
