"""Expert parallelism: each rank holds one expert, tokens travel to it."""

import gc

import pandas as pd
import torch
import torch.distributed as dist
from launch import launch, traffic
from torch import nn

TOKENS, WIDTH = 512, 128


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
