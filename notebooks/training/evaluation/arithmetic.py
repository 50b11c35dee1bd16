"""Sums with two-digit answers, and what the engine answers."""

import json
import random
from collections import Counter

EXAMPLES = "12 + 17 = 29\n45 - 20 = 25\n6 * 8 = 48\n"
# Nothing is cut off what the model says, not even after its end token.
AS_IT_IS = {"top_k": 0, "top_p": 1, "min_p": 0, "ignore_eos": False}


def problems(count: int) -> list[tuple[str, str]]:
    draw, found = random.Random(0), []
    while len(found) < count:
        sign = draw.choice("+-*")
        a, b = (draw.randint(2, 9 if sign == "*" else 99) for _ in "ab")
        answer = {"+": a + b, "-": a - b, "*": a * b}[sign]
        if 10 <= answer <= 99:
            found.append((f"{a} {sign} {b} = ", str(answer)))
    return found


def answers(engine, problem: str, n: int, seed: int, temperature: float) -> list[str]:
    """What the engine answers in n samples."""
    asked = {"n": n, "seed": seed, "temperature": temperature} | AS_IT_IS
    sent = engine.complete([EXAMPLES + problem], 2, **asked)
    return [sample["content"] for sample in sent]


def voted(samples: list[str]) -> str:
    return Counter(samples).most_common(1)[0][0]


def echo(http, prompt: str, on: bool) -> dict:
    """What lm-eval asks of /v1/completions when it scores a choice."""
    asked = {"prompt": prompt, "temperature": 0, "max_tokens": 1}
    sent = http.post("/v1/completions", json=asked | {"logprobs": 1, "echo": on})
    assert json.loads(sent.request.content)["echo"] is on
    return sent.json()
