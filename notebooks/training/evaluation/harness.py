"""What lm-evaluation-harness asks of a model, on SmolLM2 in PyTorch."""

import numpy as np
import torch


# --8<-- [start:loglikelihoods]
@torch.no_grad()
def loglikelihoods(model, tokenizer, asked: list[tuple[str, list[str]]]) -> np.ndarray:
    """Log-probability of each choice after its context: a row a question, in one pass."""
    tokens = []
    for question, (context, choices) in enumerate(asked):
        start = tokenizer(context)["input_ids"]
        last = len(tokens) + len(start) - 1
        tokens += [(t, i, question, 0, 0) for i, t in enumerate(start)]
        for choice, text in enumerate(choices, 1):
            # encode context and choice together, then cut, as lm-eval does
            end = tokenizer(context + text)["input_ids"][len(start) :]
            # what predicts a token is the one before it in its own text
            before = [last, *range(len(tokens), len(tokens) + len(end) - 1)]
            places = range(len(start), len(start) + len(end))
            tokens += [
                (t, i, question, choice, b) for t, i, b in zip(end, places, before)
            ]
    ids, place, question, choice, before = torch.tensor(tokens).T
    # each token sees its question's context and the choice that it stands in
    sees = (choice[:, None] == choice) | (choice == 0)
    sees = (sees & (question[:, None] == question)).tril()[None, None]
    chosen = choice > 0
    given = {"position_ids": place[None], "attention_mask": sees}
    logits = model(ids[None], logits_to_keep=before[chosen], **given).logits[0]
    each = logits.log_softmax(-1).gather(1, ids[chosen, None])[:, 0]
    sums = torch.zeros(len(asked), max(choice))
    sums.index_put_((question[chosen], choice[chosen] - 1), each, accumulate=True)
    return sums.numpy()


# --8<-- [end:loglikelihoods]


def nats(model, tokenizer, text: str) -> tuple[int, float]:
    """Tokens after the first, and what they cost the model together."""
    first, *rest = tokenizer(text)["input_ids"]
    start = tokenizer.decode([first])
    told = loglikelihoods(model, tokenizer, [(start, [text[len(start) :]])])
    return len(rest), -told.item()
