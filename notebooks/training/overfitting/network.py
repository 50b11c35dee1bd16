"""A one-hidden-layer network, trained for all seeds at once: every tensor's first dimension is the seed."""
import math

import torch
from torch.nn import functional as F


def logits(w: list[torch.Tensor], x: torch.Tensor, drop: float = 0.0) -> torch.Tensor:
    """[seed, example, input] -> [seed, example, class]."""
    return F.dropout(torch.relu(torch.baddbmm(w[1], x, w[0])), drop, drop > 0) @ w[2] + w[3]


def nll(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of each seed, in nats."""
    return F.cross_entropy(scores.transpose(1, 2), y, reduction="none").mean(1)


# --8<-- [start:fit]
def fit(data, width=64, steps=120, batch=100, every=5, classes=10, decay=0.0, l1=0.0, drop=0.0, augment=lambda x: x):
    """AdamW; returns a checkpoint of the weights every few steps."""
    torch.manual_seed(1)
    (x, y), (seeds, n, inputs) = data, data[0].shape
    w = [torch.randn(seeds, inputs, width) * (2 / inputs) ** 0.5, torch.zeros(seeds, 1, width),
         torch.randn(seeds, width, classes) / width**0.5, torch.zeros(seeds, 1, classes)]
    optimizer = torch.optim.AdamW([p.requires_grad_() for p in w], lr=0.006, weight_decay=decay)
    passes = torch.cat([torch.randperm(n) for _ in range(-(-steps * batch // n))])  # every epoch in a new order
    saved = []
    for step, rows in enumerate(passes.split(batch)[:steps], start=1):
        objective = nll(logits(w, augment(x[:, rows]), drop), y[:, rows]).sum()  # seeds share no weights
        if l1:
            objective = objective + l1 * (w[0].abs().sum() + w[2].abs().sum())
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
        if step % every == 0:
            saved.append([p.detach().clone() for p in w])
    return saved
# --8<-- [end:fit]


def vote(w: list[torch.Tensor], x: torch.Tensor, members: int = 1) -> torch.Tensor:
    """Log of the mean probability over the members of an ensemble."""
    each = logits(w, x.repeat(members, 1, 1)).log_softmax(2)
    return each.unflatten(0, (members, -1)).logsumexp(0) - math.log(members)
