"""The Gumbel-max watermark that inference engines offer, and its detector."""

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.special import gammaincc

WIDTH, TOP_K = 4, 100  # tokens of context, as in vLLM and TensorRT-LLM; candidates


def mix(x: np.ndarray) -> np.ndarray:
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return x ^ (x >> np.uint64(31))


# --8<-- [start:watermark]
def uniform(key: ArrayLike, context: np.ndarray, token: np.ndarray) -> np.ndarray:
    """A number in (0, 1) for each key, row of context and token: random to all others."""
    x = np.asarray(key, np.uint64)[..., None, None]
    for column in (*context.T[..., None], token):
        x = mix(x ^ column.astype(np.uint64))
    return (x >> np.uint64(12)) / 2.0**52 + 2.0**-54


def p_value(tokens: np.ndarray, key: ArrayLike, once: bool = True) -> np.ndarray:
    """How probable so high a score is in a text without this key's watermark."""
    rows = np.lib.stride_tricks.sliding_window_view(tokens, WIDTH + 1)
    if once:  # a context that repeats is the same evidence again
        rows = rows[np.unique(rows[:, :-1], axis=0, return_index=True)[1]]
    # By chance, each of these scores is exponential.
    scores = -np.log1p(-uniform(key, rows[:, :-1], rows[:, -1:]))
    return gammaincc(len(rows), scores.sum((-2, -1)))


# --8<-- [end:watermark]


@torch.no_grad()
def write(
    model, prompts: list[list[int]], key: int, sampling: list[tuple], steps: int
) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Marked texts, one for each prompt and its (temperature, top-p); for each of their tokens
    the one that the model would have drawn without the watermark; and its last hidden states."""
    ids, cache = torch.tensor(prompts), None
    (heat, mass), context = torch.tensor(sampling).T[..., None], ids[:, -WIDTH:]
    drawn, states = [], []
    for _ in range(steps):
        answer = model.model(ids, cache=cache, use_cache=True)
        state, cache = answer.last_hidden_state[:, -1], answer.past_key_values
        # Temperature, top-k, top-p, then the draw, as in the engines.
        p, tokens = (model.lm_head(state) / heat).softmax(-1).topk(TOP_K)
        log_p = torch.where(p.cumsum(-1) - p < mass, p.log(), -torch.inf)
        keyed = torch.tensor(uniform(key, context.numpy(), tokens.numpy()))
        # With Gumbel noise the argmax is a draw from the model's probabilities.
        draws = (log_p - (-u.log()).log() for u in (keyed, torch.rand_like(log_p)))
        chosen = [tokens.gather(1, draw.argmax(-1, keepdim=True)) for draw in draws]
        drawn.append(torch.stack(chosen))
        states.append(state)
        ids = chosen[0]
        context = torch.cat([context, ids], 1)[:, 1:]
    texts, others = torch.cat(drawn, 2).numpy()
    return texts, others, torch.stack(states, 1)
