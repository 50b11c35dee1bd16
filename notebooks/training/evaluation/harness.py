"""What lm-evaluation-harness asks of a model, on SmolLM2 in PyTorch."""

from itertools import chain

import numpy as np
import torch


# --8<-- [start:loglikelihoods]
@torch.no_grad()
def loglikelihoods(model, tokenizer, context: str, choices: list[str]) -> np.ndarray:
    """Log-probability of each choice after the context, all choices in one pass."""
    start = tokenizer(context)["input_ids"]
    # encode context and choice together, then cut, as lm-eval does
    ends = [tokenizer(context + c)["input_ids"][len(start) :] for c in choices]
    ids = torch.tensor([*start, *chain(*ends)])
    part = torch.tensor(
        [0] * len(start) + [i for i, e in enumerate(ends, 1) for _ in e]
    )
    place = torch.tensor([*range(len(start)), *chain(*(range(len(e)) for e in ends))])
    place[part > 0] += len(start)
    # each token sees the context and the choice that it stands in
    sees = ((part[:, None] == part) | (part == 0)).tril()[None, None]
    # a token is predicted at the one before it, a choice's first at the context's last
    before = torch.where(place == len(start), len(start), torch.arange(len(ids))) - 1
    chosen = part > 0
    given = {"position_ids": place[None], "attention_mask": sees}
    logits = model(ids[None], logits_to_keep=before[chosen], **given).logits[0]
    each = logits.log_softmax(-1).gather(1, ids[chosen, None])[:, 0]
    return np.array(
        [each[part[chosen] == i].sum().item() for i in range(1, len(ends) + 1)]
    )


# --8<-- [end:loglikelihoods]


@torch.no_grad()
def next_token(model, tokenizer, prompts: list[str], words: list[str]) -> np.ndarray:
    """Logits of each word as the next token of each prompt."""
    batch = tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
    ids = [tokenizer(word)["input_ids"][0] for word in words]
    return model(**batch, logits_to_keep=1).logits[:, -1, ids].numpy()


def nats(model, tokenizer, text: str) -> tuple[int, float]:
    """Tokens after the first, and what they cost the model together."""
    first, *rest = tokenizer(text)["input_ids"]
    start = tokenizer.decode([first])
    return len(rest), -loglikelihoods(model, tokenizer, start, [text[len(start) :]])[0]
