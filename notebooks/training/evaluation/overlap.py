"""BLEU-4 of one sentence with one reference, and ROUGE-N, straight from their definitions. For real work use sacreBLEU."""

import math
from collections import Counter


# --8<-- [start:ngrams]
def ngrams(words: list[str], n: int) -> Counter:
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu(candidate: list[str], reference: list[str]) -> float:
    clipped = [
        (ngrams(candidate, n) & ngrams(reference, n)).total() for n in range(1, 5)
    ]
    if min(clipped) == 0:
        return 0.0  # unsmoothed: one order without a match is enough
    precisions = [matched / (len(candidate) - n) for n, matched in enumerate(clipped)]
    brevity = min(1, math.exp(1 - len(reference) / len(candidate)))
    return brevity * math.prod(precisions) ** (1 / 4)


def rouge(candidate: list[str], reference: list[str], n: int = 1) -> float:
    matched = ngrams(candidate, n) & ngrams(reference, n)
    return matched.total() / ngrams(reference, n).total()  # recall


# --8<-- [end:ngrams]
