"""What a caller may ask of an inference API, here of llama.cpp's server."""

import httpx
import numpy as np


# --8<-- [start:chosen]
def chosen_log_p(
    http: httpx.Client, prompts: list, steps: int, tokens: list[int]
) -> np.ndarray:
    """Log-probabilities of `tokens` among themselves, at each token of each answer: a bias
    that lifts all of them alike leaves their differences as they are."""
    bias = {"logit_bias": [[t, 100] for t in tokens], "post_sampling_probs": True}
    answers = ask(http, prompts, steps, n_probs=len(tokens), **bias)
    column = {t: i for i, t in enumerate(tokens)}
    log_p = np.empty((len(answers), len(tokens)))
    for row, step in zip(log_p, answers):
        for entry in step["top_probs"]:
            row[column[entry["id"]]] = np.log(entry["prob"])
    return log_p


# --8<-- [end:chosen]


def ask(http: httpx.Client, prompts: list, steps: int, **more) -> list[dict]:
    """Each token of the answers to `prompts`, with what the server says of it."""
    fixed = {"samplers": [], "temperature": 1.0, "ignore_eos": True, "seed": 1}
    body = fixed | {"prompt": prompts, "n_predict": steps, "cache_prompt": False} | more
    answers = http.post("/completion", json=body).raise_for_status().json()
    return [step for answer in answers for step in answer["completion_probabilities"]]


def spectrum(answers: np.ndarray) -> np.ndarray:
    """Singular values; centring removes the constant that the softmax subtracted."""
    return np.linalg.svd(answers - answers.mean(1, keepdims=True), compute_uv=False)
