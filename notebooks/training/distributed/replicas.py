"""Data parallelism: the same language model on each rank, another part of the batch."""

import inspect
from contextlib import nullcontext

import pandas as pd
import torch
import torch.distributed as dist
from launch import launch, traffic
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.distributed.fsdp import fully_shard
from torch.nn.functional import cross_entropy
from torch.nn.parallel import DistributedDataParallel as DDP

VOCAB, WIDTH, LENGTH, BATCH, IGNORE = 256, 64, 17, 16, -100
TEXT = torch.tensor(
    list(inspect.getsource(nn.Transformer).encode())
)  # bytes are tokens


class TinyLM(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(VOCAB, WIDTH)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                WIDTH, 4, 4 * WIDTH, dropout=0.0, batch_first=True
            )
            for _ in range(2)
        )
        self.head = nn.Linear(WIDTH, VOCAB, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(
            tokens.shape[1], dtype=self.head.weight.dtype
        )
        hidden = self.embed(tokens)
        for block in self.blocks:
            hidden = block(hidden, src_mask=mask, is_causal=True)
        return self.head(hidden)


def joint_batch(step: int, ragged: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """One step's whole batch: pieces of text."""
    chance = torch.Generator().manual_seed(step)
    start = torch.randint(len(TEXT) - LENGTH, (BATCH, 1), generator=chance)
    tokens = TEXT[start + torch.arange(LENGTH)]
    inputs, targets = tokens[:, :-1], tokens[:, 1:].clone()
    if ragged:  # every second row is short, so one of two ranks gets the short ones
        targets[1::2, 4:] = IGNORE
    return inputs, targets


# --8<-- [start:wrap]
def wrap(model: nn.Module, method: str) -> nn.Module:
    if method == "ddp":
        return DDP(model)
    if method == "fsdp":
        for block in model.blocks:
            fully_shard(block)  # gathered and freed one block at a time
        return fully_shard(model)  # the root keeps its weights after the forward pass
    return model


# --8<-- [end:wrap]


def all_reduce_mean(model: nn.Module, world: int) -> None:
    for p in model.parameters():
        dist.all_reduce(p.grad)
        p.grad /= world


def all_reduce_sum(model: nn.Module, world: int) -> None:
    for p in model.parameters():
        dist.all_reduce(p.grad)


def first_parameter_only(model: nn.Module, world: int) -> None:
    p = next(model.parameters())
    dist.all_reduce(p.grad)
    p.grad /= world


BY_HAND = {
    f.__name__: f for f in (all_reduce_mean, all_reduce_sum, first_parameter_only)
}


def total_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    flat_logits, flat_targets = logits.flatten(0, 1), targets.flatten()
    return cross_entropy(
        flat_logits, flat_targets, ignore_index=IGNORE, reduction="sum"
    )


def bytes_held(params: list, optim: torch.optim.Optimizer) -> int:
    """Weights, gradients and optimizer state that this rank keeps."""
    tensors = [t for p in params for t in (p, p.grad, *optim.state[p].values())]
    kept = [local(t) for t in tensors if t.dim()]
    return sum(t.numel() * t.element_size() for t in kept)


# --8<-- [start:train]
def train(
    rank: int,
    world: int,
    method: str,
    optimizer: str = "AdamW",
    lr: float = 3e-3,
    ragged: bool = False,
    count_all: bool = True,
    steps: int = 4,
    dtype: torch.dtype = torch.float64,
) -> dict:
    model = TinyLM().to(dtype)
    start, losses = flat(list(model.parameters())), []
    net = wrap(model, method)
    params = list(model.parameters())
    optim = getattr(torch.optim, optimizer)(params, lr=lr)
    for step in range(steps):
        inputs, targets = (t[rank::world] for t in joint_batch(step, ragged))
        tokens = (targets != IGNORE).sum().double()
        # Each token of the joint batch weighs the same, whichever rank holds it.
        if count_all:
            dist.all_reduce(tokens)
            tokens /= world
        optim.zero_grad()
        logits = net(inputs)
        loss = total_loss(logits, targets) / tokens
        loss.backward()
        if method in BY_HAND:
            BY_HAND[method](model, world)
        optim.step()
        losses.append(loss.item())
    held, losses = bytes_held(params, optim), torch.tensor(losses)
    return {"start": start, "weights": flat(params), "losses": losses, "held": held}


# --8<-- [end:train]


def flat(params: list) -> torch.Tensor:
    return torch.cat(
        [
            (p.full_tensor() if hasattr(p, "full_tensor") else p).detach().flatten()
            for p in params
        ]
    )


def local(t: torch.Tensor) -> torch.Tensor:
    return t.to_local() if hasattr(t, "to_local") else t


def accumulate(net: nn.Module, method: str, last: bool) -> None:
    """Before each micro-batch: what FSDP2 may leave for the last one."""
    if "sync at the last" in method:
        net.set_requires_gradient_sync(last)  # until then whole gradients stay
    if "weights kept" in method:
        net.set_reshard_after_forward(False)
        net.set_reshard_after_backward(last)  # until then whole weights stay


def step_traffic(rank: int, world: int, method: str, micro_batches: int = 1) -> dict:
    """Bytes one rank sends for one optimizer step in float32, after a first step that sets things up."""
    model = TinyLM()
    size = 4 * sum(p.numel() for p in model.parameters())
    root = 4 * (model.embed.weight.numel() + model.head.weight.numel())
    net = wrap(model, "fsdp" if "fsdp" in method else "ddp")
    if method == "fp16":
        net.register_comm_hook(None, fp16_compress_hook)
    inputs = joint_batch(0)[0][rank::world]

    def step(count: int) -> None:
        for i in range(count):
            last = i == count - 1
            if "fsdp" in method:
                accumulate(net, method, last)
            with nullcontext() if last or method != "no_sync" else net.no_sync():
                net(inputs).square().mean().backward()

    step(1)
    sent, gradient = (
        traffic(lambda: step(micro_batches)),
        flat([p.grad for p in model.parameters()]),
    )
    return {"sent": sent, "size": size, "root": root / size, "gradient": gradient}


def exchange(rank: int, world: int, size: int) -> dict:
    """The same sum twice: by all-reduce, and through rank 0 as a parameter server."""
    gradient = torch.ones(size // 4)

    def server() -> None:
        if rank:
            dist.send(gradient, 0)
            dist.recv(gradient, 0)
            return
        for source in range(1, world):
            other = torch.empty_like(gradient)
            dist.recv(other, source)
            gradient.add_(other)
        for target in range(1, world):
            dist.send(gradient, target)

    dist.all_reduce(gradient.clone())  # connect first
    ring = traffic(lambda: dist.all_reduce(gradient.clone()))
    shard, whole = torch.empty(size // 4 // world), torch.ones(size // 4)
    scatter = traffic(lambda: dist.reduce_scatter_single(shard, whole))
    return {
        "ring": ring,
        "server": traffic(server),
        "reduce_scatter": scatter,
        "sum": gradient[0].item(),
    }


STEP_CASES = {  # method, micro-batches
    "DDP": ("ddp", 1),
    "DDP, 4 micro-batches": ("ddp", 4),
    "DDP, 4 micro-batches, no_sync": ("no_sync", 4),
    "DDP, gradients as fp16": ("fp16", 1),
    "FSDP": ("fsdp", 1),
    "FSDP, 4 micro-batches": ("fsdp", 4),
    "FSDP, 4, sync at the last": ("fsdp, sync at the last", 4),
    "FSDP, 4, weights kept too": ("fsdp, sync at the last, weights kept", 4),
}


def far(a: dict, b: dict) -> float:
    """Largest difference of any weight between two runs."""
    return (a["weights"] - b["weights"]).abs().max().item()


def off(run: dict, reference: dict) -> float:
    """Distance from the right weights, as a share of the distance trained."""
    moved = (reference["weights"] - reference["start"]).norm()
    return ((run["weights"] - reference["weights"]).norm() / moved).item()


def ring_table(size: int) -> pd.DataFrame:
    """Bytes of the busiest rank for one sum, in sizes of what is summed."""
    table = {}
    for n in (2, 4):
        [ranks] = launch(n, exchange, {"size": size})
        assert {rank["sum"] for rank in ranks} == {float(n)}
        keys = ("ring", "server", "reduce_scatter")
        table[n] = {key: max(rank[key] for rank in ranks) / size for key in keys}
    return pd.DataFrame(table).T.rename_axis("ranks N")


def step_table() -> pd.DataFrame:
    """Bytes that rank 0 of 4 sends for one optimizer step, in sizes of the gradient."""
    calls = [{"method": m, "micro_batches": k} for m, k in STEP_CASES.values()]
    runs = launch(4, step_traffic, *calls)
    root = runs[0][0]["root"]  # the share of weights outside of the blocks
    fsdp = 0.75 * (2 - root) + 1.5  # all-gathers, and gloo's reduce-scatter
    last_only, kept = 4 * (fsdp - 1.5) + 1.5, 0.75 + 1.5
    formulas = [1.5, 6, 1.5, 0.75, fsdp, 4 * fsdp, last_only, kept]
    each, *deferred = (ranks[0]["gradient"] for ranks in runs[-3:])
    assert all(torch.allclose(each, g, atol=1e-7) for g in deferred), "other gradients"
    sent = [ranks[0]["sent"] / ranks[0]["size"] for ranks in runs]
    return pd.DataFrame(
        {"bytes / gradient": sent, "formula, N=4": formulas}, list(STEP_CASES)
    )


def against_one(one: dict) -> pd.DataFrame:
    """Runs on several ranks beside that of one process on the joint batch."""
    table = {}
    for n, methods in ((2, ["ddp", "all_reduce_mean", "fsdp"]), (4, ["ddp", "fsdp"])):
        for method, ranks in zip(
            methods, launch(n, train, *({"method": m} for m in methods))
        ):
            table[f"{method}, {n} ranks"] = {
                "largest weight difference": far(ranks[0], one),
                "between ranks": max(far(ranks[0], other) for other in ranks[1:]),
                "state held x N": n * ranks[0]["held"] / one["held"],
            }
    return pd.DataFrame(table).T
