"""Does a training text contain a long run of a question from the evaluation set?"""

import re
import unicodedata

# --8<-- [start:normalised]
TOKEN = re.compile(r"[\u4e00-\u9fff]|[^\W_\u4e00-\u9fff]+")


def normalised(text: str) -> list[str]:
    """Words without case, width or punctuation; each Chinese character a token of its own."""
    return TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())


def ngrams(tokens: list[str], n: int = 13) -> set[tuple[str, ...]]:
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


# --8<-- [end:normalised]


def wide(text: str) -> str:
    """Upper case, full width: the same words in other characters."""
    return "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text.upper())
