"""The energy of decoding, as a law with two parts, and the batch that a load leads to."""


# --8<-- [start:law]
def law(joules: dict[int, float]) -> tuple[float, float]:
    """Joules a step and joules a sequence, from the smallest and the largest batch.

    A step reads the weights once, however many sequences share it; each sequence adds
    its own arithmetic and its own KV cache.
    """
    small, large = min(joules), max(joules)
    step = (joules[small] - joules[large]) / (1 / small - 1 / large)
    return step, joules[large] - step / large


# --8<-- [end:law]


def batch_at(rate: float, tokens_per_second: dict[int, float]) -> float:
    """Sequences in flight on one replica that makes `rate` tokens a second.

    The time of a step grows on a line through the two throughputs; Little's law says
    how many steps are under way.
    """
    (few, slow), (many, fast) = sorted(tokens_per_second.items())
    each = (many / fast - few / slow) / (many - few)
    base = few / slow - few * each
    return rate * base / (1 - rate * each)
