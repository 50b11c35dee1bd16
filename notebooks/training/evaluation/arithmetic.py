"""Sums with two-digit answers, and what the engine answers."""

import random
from collections import Counter

EXAMPLES = "12 + 17 = 29\n45 - 20 = 25\n6 * 8 = 48\n"
AS_IT_IS = {"top_k": 0, "top_p": 1, "min_p": 0}  # nothing cut off what the model says


def problems(count: int) -> list[tuple[str, str]]:
    draw, found = random.Random(0), []
    while len(found) < count:
        sign = draw.choice("+-*")
        a, b = (draw.randint(2, 9 if sign == "*" else 99) for _ in "ab")
        answer = {"+": a + b, "-": a - b, "*": a * b}[sign]
        if 10 <= answer <= 99:
            found.append((f"{a} {sign} {b} = ", str(answer)))
    return found


def answers(http, problem: str, n: int, seed: int, **how) -> list[tuple[str, float]]:
    """Texts of n samples, and how probable the model finds each, as a logarithm."""
    asked = {"prompt": EXAMPLES + problem, "n": n, "n_predict": 2, "n_probs": 1}
    sent = http.post("/completion", json=asked | AS_IT_IS | {"seed": seed} | how).json()
    return [
        (s["content"], sum(t["logprob"] for t in s["completion_probabilities"]))
        for s in (sent if n > 1 else [sent])
    ]


def voted(samples: list[tuple[str, float]]) -> str:
    return Counter(text for text, _ in samples).most_common(1)[0][0]


def most_probable(samples: list[tuple[str, float]]) -> str:
    return max(samples, key=lambda sample: sample[1])[0]


def echo(http, prompt: str, on: bool) -> dict:
    """What lm-eval asks of /v1/completions when it scores a choice."""
    asked = {"prompt": prompt, "temperature": 0, "max_tokens": 1}
    return http.post("/v1/completions", json=asked | {"logprobs": 1, "echo": on}).json()
