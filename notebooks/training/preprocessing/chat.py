"""Conversations to token ids: a byte-level tokeniser with ChatML's markers as ids of their own."""

import numpy as np
import torch
import torch.nn.functional as F

START, END = 256, 257  # <|im_start|>, <|im_end|>; ids 0-255 are bytes
VOCABULARY = 258
IGNORE = -100  # the label that cross_entropy skips


# --8<-- [start:encode]
def encode(messages: list[dict], generate: bool = False) -> tuple[list[int], list[int]]:
    """Token ids and labels; only what the assistant says, and its end marker, is learnt."""
    ids, labels = [], []
    for m in messages:
        head = [START, *f"{m['role']}\n".encode()]
        body = [
            *m["content"].encode(),
            END,
        ]  # content is data: its markers stay plain bytes
        ids += head + body + [*b"\n"]
        labels += (
            [IGNORE] * len(head)
            + (body if m["role"] == "assistant" else [IGNORE] * len(body))
            + [IGNORE]
        )
    if generate:
        ids += [START, *b"assistant\n"]
    return ids, labels


# --8<-- [end:encode]


def pack(lengths: list[int], capacity: int) -> list[list[int]]:
    """Best-fit decreasing: each sequence goes whole into the fullest bin that still holds it."""
    bins, free = [], []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        fits = [b for b, room in enumerate(free) if room >= lengths[i]]
        if fits:
            b = min(fits, key=free.__getitem__)
        else:
            b = len(bins)
            bins.append([])
            free.append(capacity)
        bins[b].append(i)
        free[b] -= lengths[i]
    return bins


def example(seed: int) -> list[dict]:
    """A question and an answer of random letters, with the long tail of lengths that real chats have."""
    rng = np.random.default_rng(seed)
    said = [
        bytes(rng.integers(97, 123, int(rng.lognormal(m, 0.8)), np.uint8)).decode()
        for m in (4.5, 4.0)
    ]
    return [{"role": r, "content": c} for r, c in zip(("user", "assistant"), said)]


@torch.no_grad()
def losses(
    ids: torch.Tensor,
    labels: torch.Tensor,
    document: torch.Tensor,
    position: torch.Tensor,
) -> torch.Tensor:
    """Losses of the learnt tokens under one random attention layer; a token sees earlier ones of its document."""
    g = torch.Generator().manual_seed(0)
    embed, place = (
        torch.randn(VOCABULARY, 64, generator=g),
        torch.randn(2048, 64, generator=g),
    )
    x = (embed[ids] + place[position])[None]
    mask = (document[:, None] == document) & torch.ones(
        len(ids), len(ids), dtype=torch.bool
    ).tril()
    x = x + F.scaled_dot_product_attention(x, x, x, attn_mask=mask)
    each = F.cross_entropy(
        (x[0] @ embed.T)[:-1], labels[1:], ignore_index=IGNORE, reduction="none"
    )
    return each[labels[1:] != IGNORE]
