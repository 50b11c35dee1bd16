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
    for message in messages:
        head = [START, *f"{message['role']}\n".encode()]
        # content is data: a marker written in it stays plain bytes
        body = [*message["content"].encode(), END]
        learnt = body if message["role"] == "assistant" else [IGNORE] * len(body)
        ids += head + body + [*b"\n"]
        labels += [IGNORE] * len(head) + learnt + [IGNORE]
    if generate:
        prompt = [START, *b"assistant\n"]
        ids += prompt
        labels += [IGNORE] * len(prompt)
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


# --8<-- [start:join]
def join(samples: list[tuple[list[int], list[int]]]) -> list[torch.Tensor]:
    """One sequence of several samples: ids, labels, number of the sample, position within it."""
    parts = [
        (ids, labels, [number] * len(ids), range(len(ids)))
        for number, (ids, labels) in enumerate(samples)
    ]
    return [torch.cat([torch.tensor(p) for p in column]) for column in zip(*parts)]


def visible(document: torch.Tensor) -> torch.Tensor:
    """The attention mask: a token sees itself and earlier tokens of its own sample."""
    return (document[:, None] == document).tril()


# --8<-- [end:join]


def example(seed: int) -> list[dict]:
    """A question and an answer of random letters, with a long tail of lengths."""
    rng = np.random.default_rng(seed)
    messages = []
    for role, mean in (("user", 4.5), ("assistant", 4.0)):
        length = int(rng.lognormal(mean, 0.8))
        letters = rng.integers(97, 123, length, np.uint8)
        messages.append({"role": role, "content": bytes(letters).decode()})
    return messages


@torch.no_grad()
def losses(
    ids: torch.Tensor,
    labels: torch.Tensor,
    document: torch.Tensor,
    position: torch.Tensor,
) -> np.ndarray:
    """Losses of the learnt tokens under one attention layer with random weights."""
    random = torch.Generator().manual_seed(0)
    embed = torch.randn(VOCABULARY, 64, generator=random)
    place = torch.randn(2048, 64, generator=random)
    x = (embed[ids] + place[position])[None]
    x = x + F.scaled_dot_product_attention(x, x, x, attn_mask=visible(document))
    logits = (x[0] @ embed.T)[:-1]
    target = labels[1:]
    each = F.cross_entropy(logits, target, ignore_index=IGNORE, reduction="none")
    return each[target != IGNORE].numpy()
