"""One network in three precisions."""

import warnings
from copy import deepcopy

import torch
from torch import nn

WIDTH = 1024


def three_forms() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    net = nn.Sequential(
        nn.Linear(WIDTH, 2 * WIDTH), nn.ReLU(), nn.Linear(2 * WIDTH, WIDTH)
    ).requires_grad_(False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, and still the shortest way
        int8 = torch.ao.quantization.quantize_dynamic(net, {nn.Linear}, torch.qint8)
    return {"fp32": net, "bf16": deepcopy(net).bfloat16(), "int8": int8}


def inputs(form: str, batch: int) -> torch.Tensor:
    kind = torch.bfloat16 if form == "bf16" else torch.float32
    return torch.randn(batch, WIDTH, dtype=kind)
