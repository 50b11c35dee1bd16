"""Small classifiers, several trained side by side, and the images they are asked about."""

from collections.abc import Callable

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F


def digits() -> list[tuple[torch.Tensor, torch.Tensor]]:
    """8 x 8 handwritten digits in three parts: 700, 700 and 397 images with their labels."""
    data, order = load_digits(), torch.randperm(1797)
    x = torch.tensor(data.data, dtype=torch.float32)[order] / 16
    y = torch.tensor(data.target)[order]
    parts = (slice(0, 700), slice(700, 1400), slice(1400, None))
    return [(x[part], y[part]) for part in parts]


class Nets(nn.Module):
    """`n` independent networks 64-64-10: (n, batch, 64) -> (n, batch, 10)."""

    def __init__(self, n: int):
        super().__init__()
        self.w1 = nn.Parameter(torch.randn(n, 64, 64) / 32**0.5)
        self.b1 = nn.Parameter(torch.zeros(n, 1, 64))
        self.w2 = nn.Parameter(torch.randn(n, 64, 10) / 8)
        self.b2 = nn.Parameter(torch.zeros(n, 1, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.expand(len(self.w1), -1, -1)
        middle = torch.baddbmm(self.b1, x, self.w1).relu()
        return torch.baddbmm(self.b2, middle, self.w2)


def cross_entropy(logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return -(target * logits.log_softmax(-1)).sum(-1).mean(1).sum()


def match_logits(logits: torch.Tensor, log_p: torch.Tensor) -> torch.Tensor:
    """Log-probabilities less their mean are logits less theirs: regression, not classification."""
    centred, wanted = (t - t.mean(-1, keepdim=True) for t in (logits, log_p))
    return (centred - wanted).square().mean((1, 2)).sum()


def train(
    nets: Nets,
    x: torch.Tensor,
    target: torch.Tensor,
    loss: Callable = cross_entropy,
    steps: int = 300,
    rate: float = 1e-2,
) -> Nets:
    nets.requires_grad_(True)
    x, target = (t.expand(len(nets.w1), -1, -1) for t in (x, target))
    adam = torch.optim.Adam(nets.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps)
    for _ in range(steps):
        batch = torch.randint(x.shape[1], (128,))
        adam.zero_grad()
        loss(nets(x[:, batch]), target[:, batch]).backward()
        adam.step()
        schedule.step()
    return nets.requires_grad_(False)


def answers(nets: Nets, x: torch.Tensor) -> torch.Tensor:
    return nets(x).argmax(-1)


def one_hot(labels: torch.Tensor) -> torch.Tensor:
    return F.one_hot(labels, 10).float()


def blend(
    x: torch.Tensor, y: torch.Tensor, n: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """n images between two digits, and the labels in the same proportion."""
    i, j = torch.randint(len(x), (n,)), torch.randint(len(x), (n,))
    share = torch.rand(n, 1)
    labels = share * one_hot(y[i]) + (1 - share) * one_hot(y[j])
    return share * x[i] + (1 - share) * x[j], labels


def api(model: Nets, queries: torch.Tensor, mode: str) -> torch.Tensor:
    """What the service answers to (thieves, queries, 64)."""
    logits = model(queries.reshape(1, -1, 64)).reshape(*queries.shape[:2], 10)
    log_p = logits.log_softmax(-1)
    if mode == "label only":
        return one_hot(log_p.argmax(-1))
    return log_p.exp().round(decimals=1) if mode == "rounded to 0.1" else log_p


def language_model(
    vocabulary: int, hidden: int, prompts: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Next-token log-probabilities of an untrained Transformer, and its last layer."""
    embed = nn.Embedding(vocabulary, hidden)
    block = nn.TransformerEncoderLayer(
        hidden, 4, 96, dropout=0, batch_first=True, norm_first=True
    )
    norm, head = nn.RMSNorm(hidden), nn.Linear(hidden, vocabulary, bias=False)
    tokens = torch.randint(vocabulary, (prompts, 12))
    with torch.no_grad():
        logits = head(norm(block(embed(tokens))[:, -1]))
    return logits.log_softmax(-1).double(), head.weight.detach().double()
