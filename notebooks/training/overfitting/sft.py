"""Supervised fine-tuning of SmolLM2-135M: LoRA on the last block's down projection."""

import math
import re
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional as F

PROMPT, ANSWER = 3, 6  # tokens
ALPHA = 16  # of LoRA: the update is scaled by alpha / rank, so that steps are alike at any rank
OWNERS = (
    np,
    np.ndarray,
    np.linalg,
    pd,
    pd.DataFrame,
    pd.Series,
    torch,
    torch.Tensor,
    F,
)
SENTENCE = re.compile(r"(?:^|\n)\s*((?!See)[A-Z][a-z]+ [^\n]{20,}?)[.\n]")


def examples(tokenizer: Any, count: int) -> Tensor:
    """`name: what it does`, from docstrings of NumPy, pandas and PyTorch (BSD-3-Clause)."""
    found = {}
    for owner in OWNERS:
        for name in dir(owner):
            doc = getattr(getattr(owner, name), "__doc__", None)
            first = SENTENCE.search(doc) if isinstance(doc, str) else None
            if first and not name.startswith("_"):
                found.setdefault(name, first[1])
    rows = {}  # by answer, so that none stands in two parts
    for name, sentence in sorted(found.items()):
        prompt, answer = tokenizer([f"{name}:", f" {sentence}"])["input_ids"]
        if len(prompt) == PROMPT and len(answer) >= ANSWER:
            rows.setdefault(tuple(answer[:ANSWER]), prompt + answer[:ANSWER])
    order = np.random.default_rng(0).permutation(len(rows))[:count]
    return torch.tensor(list(rows.values()))[order]


class Frozen(NamedTuple):
    """What the adapter needs of the model below and above it, for each answer token."""

    inner: Tensor  # input of the down projection
    stream: Tensor  # residual stream after it
    norm: Any
    head: Tensor  # the rows of tokens that occur in answers
    answers: Tensor


def run_once(model: Any, ids: Tensor) -> Frozen:
    caught: dict[str, list] = {"inner": [], "stream": []}
    places = {"inner": model.model.layers[-1].mlp.down_proj, "stream": model.model.norm}
    hooks = [
        place.register_forward_pre_hook(
            lambda _, given, name=name: caught[name].append(given[0][:, PROMPT - 1 :])
        )
        for name, place in places.items()
    ]
    with torch.no_grad():
        for part in ids.split(56):
            model.model(part[:, :-1])  # nothing follows the last token
    for hook in hooks:
        hook.remove()
    vocabulary, answers = torch.unique(ids[:, PROMPT:], return_inverse=True)
    inner, stream = (torch.cat(caught[name]) for name in places)
    head = model.lm_head.weight.detach()[vocabulary]
    return Frozen(inner, stream, model.model.norm.requires_grad_(False), head, answers)


# --8<-- [start:fit]
def log_p(frozen: Frozen, adapters, index: Tensor, drop: float = 0.0) -> Tensor:
    """Log-probabilities of the next token: row s of index goes through adapter s."""
    a, b = adapters
    inner = F.dropout(frozen.inner[index].flatten(1, 2), drop)
    hidden = frozen.stream[index].flatten(1, 2) + ALPHA / a.shape[-1] * (inner @ a @ b)
    return F.log_softmax(frozen.norm(hidden) @ frozen.head.T, -1)


def loss(frozen: Frozen, scores: Tensor, index: Tensor) -> Tensor:
    """Mean loss of each row, in nats a token."""
    target = frozen.answers[index].flatten(1)
    return -scores.gather(2, target[..., None]).mean((1, 2))


def fit(frozen, train, rank=8, lr=3e-3, decay=0.0, drop=0.0, steps=36) -> list:
    """An adapter for each row of train: untrained, then after every third step of 8 examples."""
    torch.manual_seed(0)
    wide, narrow = frozen.inner.shape[-1], frozen.stream.shape[-1]
    a = torch.randn(len(train), wide, rank) / math.sqrt(wide)
    b = torch.zeros(len(train), rank, narrow)
    adapters = a.requires_grad_(), b.requires_grad_()
    optimizer = torch.optim.AdamW(adapters, lr=lr, weight_decay=decay)
    epochs = math.ceil(8 * steps / train.shape[1])  # each in another order
    seen = [train.gather(1, torch.rand(train.shape).argsort(1)) for _ in range(epochs)]
    saved = [[w.detach().clone() for w in adapters]]
    for step, batch in enumerate(torch.cat(seen, 1)[:, : 8 * steps].split(8, 1), 1):
        optimizer.zero_grad()
        loss(frozen, log_p(frozen, adapters, batch, drop), batch).sum().backward()
        optimizer.step()
        if step % 3 == 0:
            saved.append([w.detach().clone() for w in adapters])
    return saved


# --8<-- [end:fit]


def pick(saved: list, chosen: Any) -> list[Tensor]:
    """The adapter of each row at its own checkpoint."""
    return [torch.stack([saved[e][k][s] for s, e in enumerate(chosen)]) for k in (0, 1)]


def curve(frozen: Frozen, saved: list, index: Tensor) -> Tensor:
    """Loss of each row at each checkpoint."""
    with torch.no_grad():
        return torch.stack(
            [loss(frozen, log_p(frozen, w, index), index) for w in saved]
        )


def merged_loss(model: Any, ids: Tensor, adapters, index: Tensor) -> Tensor:
    """Loss of the first row's examples in the model itself, its adapter merged (rank 8)."""
    down = model.model.layers[-1].mlp.down_proj.weight
    a, b = (weight[0] for weight in adapters)
    merged = {
        "model.layers.29.mlp.down_proj.weight": down + 2 * (a @ b).T
    }  # alpha 16 / rank 8
    sample = ids[index[0]]
    vocabulary, answers = torch.unique(ids[:, PROMPT:], return_inverse=True)
    with torch.no_grad():
        logits = functional_call(model, merged, (sample,)).logits
        logits = logits[:, PROMPT - 1 : -1, vocabulary]
    return F.cross_entropy(logits.flatten(0, 1), answers[index[0]].flatten())
