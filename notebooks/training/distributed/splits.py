"""Splitting the model itself: a layer (tensor), the stack of layers (pipeline), the experts."""

import torch
import torch.distributed as dist
from launch import traffic
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.pipelining import PipelineStage, ScheduleGPipe
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    RowwiseParallel,
    parallelize_module,
)

TOKENS, WIDTH = 512, 128


def mlp() -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH)
    )


def tensor_parallel(rank: int, world: int) -> dict:
    """First matrix split by columns, second by rows: one all-reduce on the way out."""
    model, x = mlp(), torch.randn(TOKENS, WIDTH)
    expected, out = model(x).detach(), []
    total = sum(p.numel() for p in model.parameters())
    parallelize_module(
        model,
        init_device_mesh("cpu", (world,)),
        {"0": ColwiseParallel(), "2": RowwiseParallel()},
    )
    model(x)
    sent = traffic(lambda: out.append(model(x)))
    held = sum(p.to_local().numel() for p in model.parameters())
    return {
        "error": (out[0] - expected).abs().max().item(),
        "held": held / total,
        "sent": sent,
    }


def pipeline(rank: int, world: int, micro_batches: int) -> dict:
    """Each rank holds one block; activations travel forward, their gradients back."""
    blocks = [mlp() for _ in range(world)]
    x, y = torch.randn(2, TOKENS, WIDTH)
    loss = nn.MSELoss()
    loss(nn.Sequential(*blocks)(x), y).backward()
    expected = [p.grad.clone() for p in blocks[rank].parameters()]
    stage = PipelineStage(blocks[rank], rank, world, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, micro_batches, loss)

    def step() -> None:
        blocks[rank].zero_grad()
        schedule.step(
            *((x,) if rank == 0 else ()), **({"target": y} if rank == world - 1 else {})
        )

    step()
    sent = traffic(step)
    error = max(
        (p.grad - g).abs().max().item()
        for p, g in zip(blocks[rank].parameters(), expected)
    )
    held = sum(p.numel() for p in blocks[rank].parameters()) / sum(
        p.numel() for b in blocks for p in b.parameters()
    )
    return {"error": error, "held": held, "sent": sent}


def expert_parallel(rank: int, world: int, skew: float) -> dict:
    """One expert a rank: tokens go to their expert and come back, two all-to-alls."""
    experts = [nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(world)]
    torch.manual_seed(rank + 1)
    x = torch.randn(TOKENS, WIDTH)
    popularity = torch.tensor([1 + skew] + [1.0] * (world - 1))
    route = torch.multinomial(popularity, TOKENS, replacement=True).sort().values
    to_send = route.bincount(minlength=world)
    to_get = torch.empty_like(to_send)
    dist.all_to_all_single(to_get, to_send)
    send, get, y = to_send.tolist(), to_get.tolist(), torch.empty_like(x)

    def step() -> None:
        mine = x.new_empty(sum(get), WIDTH)
        dist.all_to_all_single(mine, x, get, send)
        dist.all_to_all_single(y, experts[rank](mine).detach(), send, get)

    sent = traffic(step)
    expected = torch.stack([experts[e](t) for e, t in zip(route.tolist(), x)])
    # Own tokens leaving, guests going home.
    moved = TOKENS - send[rank] + sum(get) - get[rank]
    return {
        "error": (y - expected).abs().max().item(),
        "held": 1 / world,
        "sent": sent,
        "moved": moved,
        "tokens": sum(get),
    }
