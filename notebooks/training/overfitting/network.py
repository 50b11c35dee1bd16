"""A one-hidden-layer network, trained for all seeds at once.

The first dimension of every tensor is the seed.
"""

import math

import numpy as np
import torch
from torch.nn import functional as F

BATCH, CHECKPOINTS = 100, 24
Data = tuple[torch.Tensor, torch.Tensor]
Weights = list[torch.Tensor]


def initial(seeds: int, inputs: int, width: int, classes: int) -> Weights:
    weights = [
        torch.randn(seeds, inputs, width) * (2 / inputs) ** 0.5,
        torch.zeros(seeds, 1, width),
        torch.randn(seeds, width, classes) / width**0.5,
        torch.zeros(seeds, 1, classes),
    ]
    return [w.requires_grad_() for w in weights]


def logits(w: Weights, x: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
    """[seed, example, input] -> [seed, example, class]."""
    hidden = torch.relu(torch.baddbmm(w[1], x, w[0]))
    return F.dropout(hidden, drop, training=drop > 0) @ w[2] + w[3]


def nll(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each seed, in nats."""
    return F.cross_entropy(scores.transpose(1, 2), y, reduction="none").mean(1)


def accuracy(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of each seed."""
    return (scores.argmax(2) == y).double().mean(1)


# --8<-- [start:fit]
def fit(
    data, width=64, steps=96, classes=10, decay=0.0, l1=0.0, drop=0.0, augment=None
):
    """Train with AdamW; return 24 evenly spaced checkpoints of the weights."""
    torch.manual_seed(1)
    x, y = data
    seeds, examples, inputs = x.shape
    w = initial(seeds, inputs, width, classes)
    optimizer = torch.optim.AdamW(w, lr=0.0075, weight_decay=decay, fused=True)
    epochs = math.ceil(steps * BATCH / examples)
    order = torch.cat([torch.randperm(examples) for _ in range(epochs)])
    saved = []
    for step, rows in enumerate(order.split(BATCH)[:steps], start=1):
        batch = augment(x[:, rows]) if augment else x[:, rows]
        # The seeds share no weights, so one sum trains them all.
        objective = nll(logits(w, batch, drop), y[:, rows]).sum()
        if l1:
            objective = objective + l1 * (w[0].abs().sum() + w[2].abs().sum())
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        if step % (steps // CHECKPOINTS) == 0:
            saved.append([p.detach().clone() for p in w])
    return saved


# --8<-- [end:fit]


def pick(saved: list[Weights], chosen: np.ndarray) -> Weights:
    """Of each seed, its own checkpoint chosen[seed]."""
    layers = range(len(saved[0]))
    return [torch.stack([saved[k][i][s] for s, k in enumerate(chosen)]) for i in layers]


def vote(w: Weights, x: torch.Tensor, members: int = 1) -> torch.Tensor:
    """Log of the mean probability over the members of an ensemble."""
    each = logits(w, x.repeat(members, 1, 1)).log_softmax(2)
    return each.unflatten(0, (members, -1)).logsumexp(0) - math.log(members)


def join(a: Data, b: Data) -> Data:
    return torch.cat([a[0], b[0]], 1), torch.cat([a[1], b[1]], 1)


def noisy(x: torch.Tensor) -> torch.Tensor:
    return x + 0.5 * torch.randn_like(x)


def shifted(x: torch.Tensor) -> torch.Tensor:
    """Move the images of each seed by up to one pixel."""
    frames = F.pad(x.unflatten(2, (8, 8)), (1, 1, 1, 1))
    moves = torch.randint(0, 3, (len(x), 2)).tolist()
    crops = [f[:, i : i + 8, j : j + 8] for f, (i, j) in zip(frames, moves)]
    return torch.stack(crops).flatten(2)
