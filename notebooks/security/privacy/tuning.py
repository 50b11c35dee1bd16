"""A LoRA adapter in the last block of SmolLM2, trained with and without differential privacy."""

from typing import Any

import torch
from opacus import PrivacyEngine
from torch import nn
from torch.nn.functional import cross_entropy, rms_norm
from torch.utils.data import DataLoader, TensorDataset

EPOCHS, RATE, RANK = 20, 0.25, 24


class Frozen:
    """What the frozen model computes once: the adapter's input, the stream it adds to, the head."""

    def __init__(self, model: Any, ids: torch.Tensor, known: int):
        seen: dict[str, torch.Tensor] = {}
        layer, norm = model.model.layers[-1].mlp.down_proj, model.model.norm
        hooks = [
            layer.register_forward_pre_hook(lambda _, inputs: seen.update(x=inputs[0])),
            norm.register_forward_pre_hook(lambda _, inputs: seen.update(h=inputs[0])),
        ]
        with torch.no_grad():
            model.model(ids[:, :-1])
        for hook in hooks:
            hook.remove()
        tokens, target = ids[:, known:].unique(return_inverse=True)
        self.data = TensorDataset(
            seen["x"][:, known - 1 :], seen["h"][:, known - 1 :], target
        )
        # The loss compares the tokens that occur in records: 11 of 49,152, to save time.
        self.head = (model.lm_head.weight[tokens] * norm.weight).detach()


class Rows(TensorDataset):
    def __getitems__(self, rows: list[int]) -> tuple[torch.Tensor, ...]:
        return self[rows]  # a whole batch at once


class Adapter(nn.Module):
    """LoRA with one factor fixed: then the mean of such updates is the update by the mean."""

    def __init__(self, frozen: Frozen):
        super().__init__()
        self.down = nn.Linear(1536, RANK, bias=False)
        self.up = nn.Linear(RANK, 576, bias=False).requires_grad_(False)
        nn.init.zeros_(self.down.weight)
        nn.init.normal_(self.up.weight, std=RANK**-0.5)
        self.head = frozen.head

    def forward(self, x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        return rms_norm(h + self.up(self.down(x)), (576,), eps=1e-5) @ self.head.T


# --8<-- [start:train]
def train(
    frozen: Frozen, rows, seed: int, sigma=0.0, epochs=EPOCHS
) -> tuple[Adapter, list, tuple]:
    """DP-SGD, with sigma 0 all but the noise.

    Also what Opacus has entered in the ledger, (noise, sampling rate, steps), and at which
    norm it clipped and at which rate it learned.
    """
    torch.manual_seed(seed)
    adapter, engine = Adapter(frozen), PrivacyEngine()
    data, batch = Rows(*frozen.data[rows]), int(RATE * len(rows))
    wrapped, optimizer, loader = engine.make_private(  # Poisson batches, clipping
        module=adapter,
        optimizer=torch.optim.Adam([adapter.down.weight], lr=0.02),
        data_loader=DataLoader(data, batch, collate_fn=lambda rows: rows),
        noise_multiplier=sigma,
        max_grad_norm=1.0,
    )
    for _ in range(epochs):
        for x, h, target in loader:
            optimizer.zero_grad()
            cross_entropy(wrapped(x, h).mT, target).backward()
            optimizer.step()
    learned = optimizer.max_grad_norm, optimizer.param_groups[0]["lr"]
    return adapter, engine.accountant.history, learned


# --8<-- [end:train]
def drop(frozen: Frozen, adapter: Adapter) -> torch.Tensor:
    """By how much each record's loss fell: the base model is the reference."""
    x, h, target = frozen.data.tensors
    with torch.no_grad():
        tuned, base = (
            cross_entropy(a(x, h).mT, target, reduction="none").mean(1)
            for a in (adapter, Adapter(frozen))
        )
    return base - tuned


def attack(frozen: Frozen, adapter: Adapter, members, others) -> dict[str, float]:
    x, h, target = frozen.data[others]
    secret_x, secret_h, secret = frozen.data[members]
    with torch.no_grad():
        loss = cross_entropy(adapter(x, h).mT, target).item()
        recited = (adapter(secret_x, secret_h).argmax(-1) == secret).all(1)
    score = drop(frozen, adapter)
    return {
        "loss, others": loss,
        "recited": recited.float().mean().item(),
        "advantage": advantage(score[members], score[others]),
        "told apart": (score[members][:, None] > score[others]).float().mean().item(),
    }


def advantage(members: torch.Tensor, others: torch.Tensor) -> float:
    """TPR - FPR of a threshold chosen on one half of the scores, measured on the other."""

    def gap(a, b, threshold):
        return (a >= threshold).float().mean(-1) - (b >= threshold).float().mean(-1)

    found = []
    for here, there in ((0, 1), (1, 0)):
        candidates = torch.cat([members[here::2], others[here::2]])[:, None]
        best = candidates[gap(members[here::2], others[here::2], candidates).argmax()]
        found.append(gap(members[there::2], others[there::2], best).item())
    return sum(found) / 2
