"""Answers of given lengths from the real engine, which counts its own steps."""

import heapq
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.request import Request, urlopen

from language_model import Engine


def generate(engine: Engine, tokens: int) -> int:
    """The tokens made for one prompt; its length is forced, nothing is cached."""
    body = {
        "prompt": "Once",
        "n_predict": tokens,
        "ignore_eos": True,
        "cache_prompt": False,
    }
    data = json.dumps(body).encode()
    request = Request(
        f"{engine.address}/completion", data, {"Content-Type": "application/json"}
    )
    with urlopen(request) as response:
        return json.load(response)["tokens_predicted"]


def steps(engine: Engine) -> int:
    with urlopen(f"{engine.address}/metrics") as response:
        found = re.search(
            r"^llamacpp:n_decode_total (\d+)", response.read().decode(), re.M
        )
    return int(found[1])


# --8<-- [start:serve]
def static(engine: Engine, lengths: Sequence[int], slots: int) -> tuple[int, int]:
    """Steps and tokens when a batch of `slots` is finished before the next begins."""
    before, made = steps(engine), 0
    with ThreadPoolExecutor(slots) as clients:
        for at in range(0, len(lengths), slots):
            batch = lengths[at : at + slots]
            made += sum(clients.map(generate, [engine] * len(batch), batch))
    return steps(engine) - before, made


def continuous(engine: Engine, lengths: Sequence[int], slots: int) -> tuple[int, int]:
    """The same when whoever is done makes room at once; the engine's scheduler does the rest."""
    before = steps(engine)
    with ThreadPoolExecutor(slots) as clients:
        made = sum(clients.map(generate, [engine] * len(lengths), lengths))
    return steps(engine) - before, made


# --8<-- [end:serve]


def predicted_static(lengths: Sequence[int], slots: int) -> int:
    return sum(max(lengths[at : at + slots]) for at in range(0, len(lengths), slots))


def predicted_continuous(lengths: Sequence[int], slots: int) -> int:
    free = [0] * slots
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return max(free)
