"""Splitting the model itself: a layer (tensor), the stack of layers (pipeline), the experts."""

import gc

import pandas as pd
import torch
import torch.distributed as dist
from launch import launch, traffic
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
    blocks, seen = [mlp() for _ in range(world)], []
    x, y = torch.randn(2, TOKENS, WIDTH)
    loss = nn.MSELoss()
    loss(nn.Sequential(*blocks)(x), y).backward()
    expected = [p.grad.clone() for p in blocks[rank].parameters()]
    blocks[rank].register_forward_hook(lambda *_: seen.append(1))
    stage = PipelineStage(blocks[rank], rank, world, torch.device("cpu"))
    schedule = ScheduleGPipe(stage, micro_batches, loss)

    def step() -> None:
        blocks[rank].zero_grad()
        schedule.step(
            *((x,) if rank == 0 else ()), **({"target": y} if rank == world - 1 else {})
        )

    step()
    seen.clear()
    sent = traffic(step)
    error = max(
        (p.grad - g).abs().max().item()
        for p, g in zip(blocks[rank].parameters(), expected)
    )
    held = sum(p.numel() for p in blocks[rank].parameters()) / sum(
        p.numel() for b in blocks for p in b.parameters()
    )
    return {"error": error, "held": held, "sent": sent, "forwards": len(seen)}


def expert(number: int) -> nn.Linear:
    torch.manual_seed(100 + number)
    return nn.Linear(WIDTH, WIDTH, bias=False)


def routed(rank: int, world: int, skew: float) -> tuple[torch.Tensor, torch.Tensor]:
    """A rank's tokens and the expert of each; the first is 1 + skew times as popular."""
    torch.manual_seed(rank)
    popularity = torch.tensor([1 + skew] + [1.0] * (world - 1))
    route = torch.multinomial(popularity, TOKENS, replacement=True).sort().values
    return torch.randn(TOKENS, WIDTH), route


# --8<-- [start:experts]
def expert_parallel(rank: int, world: int, skew: float) -> dict:
    """One expert a rank: tokens go to their expert and come back, two all-to-alls."""
    mine = expert(rank)  # no other expert is built here
    x, route = routed(rank, world, skew)
    to_send = route.bincount(minlength=world)
    to_get = torch.empty_like(to_send)
    dist.all_to_all_single(to_get, to_send)
    send, get, y = to_send.tolist(), to_get.tolist(), torch.empty_like(x)

    def step() -> None:
        guests = x.new_empty(sum(get), WIDTH)
        dist.all_to_all_single(guests, x, get, send)
        dist.all_to_all_single(y, mine(guests).detach(), send, get)

    sent = traffic(step)
    # Own tokens leaving, guests going home.
    moved = TOKENS - send[rank] + sum(get) - get[rank]
    # All the parameters that live in this process, whatever built them.
    held = sum(p.numel() for p in gc.get_objects() if type(p) is nn.Parameter)
    return {"y": y, "sent": sent, "moved": moved, "tokens": sum(get), "held": held}


# --8<-- [end:experts]


def unsplit(world: int, skew: float) -> list[torch.Tensor]:
    """What one process with all experts computes for the tokens of each rank."""
    experts = [expert(e) for e in range(world)]
    outputs = []
    for rank in range(world):
        x, route = routed(rank, world, skew)
        y = [experts[e](t).detach() for e, t in zip(route.tolist(), x)]
        outputs.append(torch.stack(y))
    return outputs


def experts_table(skew: float = 2.0) -> pd.DataFrame:
    """The busiest rank beside the mean of even routing; one expert is 1 + skew times as popular."""
    table = {}
    for n in (2, 4, 8):
        runs = launch(n, expert_parallel, {"skew": 0.0}, {"skew": skew})
        for each, ranks in zip((0.0, skew), runs):
            for rank, y in zip(ranks, unsplit(n, each)):
                assert (rank["y"] - y).abs().max() < 1e-5, (
                    "not what one process computes"
                )
                assert abs(rank["sent"] / (rank["moved"] * WIDTH * 4) - 1) < 0.05, (
                    "bytes"
                )
        even, skewed = (pd.DataFrame(ranks) for ranks in runs)
        every = n * sum(p.numel() for p in expert(0).parameters())
        table[n] = {
            "experts held": even["held"].max() / every,
            "bytes, skewed / mean": skewed["sent"].max() / even["sent"].mean(),
            "tokens, skewed / mean": skewed["tokens"].max() / even["tokens"].mean(),
            "tokens, even / mean": even["tokens"].max() / even["tokens"].mean(),
        }
    return pd.DataFrame(table).T.rename_axis("ranks N")


def splits_table() -> pd.DataFrame:
    """What each rank holds, and rank 0 sends, in activations of the batch."""
    table = {}
    for n in (2, 4):
        for name, work, case, formula in (
            ("tensor, forward", tensor_parallel, {}, 2 * (n - 1) / n),
            ("pipeline, 4 micro-batches", pipeline, {"micro_batches": 4}, 1),
        ):
            [ranks] = launch(n, work, case)
            assert all(rank["error"] < 1e-4 for rank in ranks), "not the unsplit model"
            forwards = {rank.get("forwards") for rank in ranks}
            assert forwards == {case.get("micro_batches")}, "one a micro-batch"
            sent = ranks[0]["sent"] / (TOKENS * WIDTH * 4)
            table[f"{name}, {n} ranks"] = [n * ranks[0]["held"], sent, formula]
    columns = ["parameters held x N", "activations sent", "formula"]
    return pd.DataFrame(table, index=columns).T
