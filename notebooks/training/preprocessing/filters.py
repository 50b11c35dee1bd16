"""Some of Gopher's quality rules, with the words handed in: who splits them decides."""

import numpy as np

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}


def reason_to_drop(words: list[str]) -> str:
    if not 50 <= len(words) <= 100_000:
        return "number of words"
    if not 3 <= np.mean([len(word) for word in words]) <= 10:
        return "mean word length"
    if np.mean([any(c.isalpha() for c in word) for word in words]) < 0.8:
        return "words without letters"
    if len(STOP_WORDS & {word.lower() for word in words}) < 2:
        return "stop words"
    return "kept"
