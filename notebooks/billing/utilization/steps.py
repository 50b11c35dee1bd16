"""Answers of given lengths from the real engine, which counts its own steps."""

import heapq
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

from language_model import Engine


def generate(engine: Engine, tokens: int) -> int:
    [answer] = engine.complete(["Once"], tokens)
    return answer["tokens_predicted"]


def groups(lengths: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (lengths[at : at + size] for at in range(0, len(lengths), size))


# --8<-- [start:serve]
def serve(
    engine: Engine, lengths: Sequence[int], slots: int, group: int
) -> tuple[int, int]:
    """Steps and tokens; a slot that is free takes the next request of the same group."""
    before, made = engine.metrics()["n_decode_total"], 0
    with ThreadPoolExecutor(slots) as clients:
        for some in groups(lengths, group):
            made += sum(clients.map(generate, [engine] * len(some), some))
    return int(engine.metrics()["n_decode_total"] - before), made


# --8<-- [end:serve]


def predicted(lengths: Sequence[int], slots: int, group: int) -> int:
    """The same rule on paper, a token a step."""
    steps = 0
    for some in groups(lengths, group):
        free = [0] * slots
        for length in some:
            heapq.heapreplace(free, free[0] + length)
        steps += max(free)
    return steps
