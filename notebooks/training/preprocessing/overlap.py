"""Does a training text contain a long run of a question from the evaluation set?"""

import re
import unicodedata

TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")


def normalised(text: str) -> list[str]:
    """Words without case, width or punctuation; each Chinese character a token of its own."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def ngrams(tokens: list[str], n: int = 13) -> set[tuple[str, ...]]:
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def by_spaces(text: str) -> set[tuple[str, ...]]:
    return ngrams(text.split())


def by_characters(text: str) -> set[tuple[str, ...]]:
    return ngrams(normalised(text))


def share_found(texts: list[str], training: list[str]) -> float:
    """How many of the texts share a run with the training texts."""
    known = set().union(*map(by_characters, training))
    return sum(not known.isdisjoint(by_characters(t)) for t in texts) / len(texts)
