"""Answers of given lengths from the real engine, which counts its own steps."""

import heapq
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from language_model import Engine


def generate(engine: Engine, tokens: int) -> int:
    [answer] = engine.complete(["Once"], tokens)
    return answer["tokens_predicted"]


# --8<-- [start:serve]
def static(engine: Engine, lengths: Sequence[int], slots: int) -> tuple[int, int]:
    """Steps and tokens when a batch of `slots` is finished before the next begins."""
    before, made = engine.metrics()["n_decode_total"], 0
    with ThreadPoolExecutor(slots) as clients:
        for at in range(0, len(lengths), slots):
            batch = lengths[at : at + slots]
            made += sum(clients.map(generate, [engine] * len(batch), batch))
    return int(engine.metrics()["n_decode_total"] - before), made


def continuous(engine: Engine, lengths: Sequence[int], slots: int) -> tuple[int, int]:
    """The same when whoever is done makes room at once; the engine's scheduler does the rest."""
    before = engine.metrics()["n_decode_total"]
    with ThreadPoolExecutor(slots) as clients:
        made = sum(clients.map(generate, [engine] * len(lengths), lengths))
    return int(engine.metrics()["n_decode_total"] - before), made


# --8<-- [end:serve]


def predicted_static(lengths: Sequence[int], slots: int) -> int:
    return sum(max(lengths[at : at + slots]) for at in range(0, len(lengths), slots))


def predicted_continuous(lengths: Sequence[int], slots: int) -> int:
    free = [0] * slots
    for length in lengths:
        heapq.heapreplace(free, free[0] + length)
    return max(free)
