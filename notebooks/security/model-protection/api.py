"""What a caller may ask of an inference API, here of llama.cpp's server."""

import numpy as np
from language_model import Engine


# --8<-- [start:chosen]
def chosen_log_p(engine: Engine, prompts: list, tokens: list[int]) -> np.ndarray:
    """Log-probabilities of `tokens` among themselves, after each prompt: a bias that lifts all
    of them alike leaves their differences as they are."""
    bias = {"logit_bias": [[t, 100] for t in tokens], "post_sampling_probs": True}
    only = {"samplers": ["top_k"], "top_k": len(tokens), "n_probs": len(tokens)}
    column = {t: i for i, t in enumerate(tokens)}
    log_p = np.empty((len(prompts), len(tokens)))
    for row, answer in zip(log_p, engine.complete(prompts, 1, **bias, **only)):
        for entry in answer["completion_probabilities"][0]["top_probs"]:
            row[column[entry["id"]]] = np.log(entry["prob"])
    return log_p


# --8<-- [end:chosen]


def spectrum(answers: np.ndarray) -> np.ndarray:
    """Singular values; centring removes the constant that the softmax subtracted."""
    return np.linalg.svd(answers - answers.mean(1, keepdims=True), compute_uv=False)
