"""Texts as the words that a search looks for.

docs/assets/search/text.js cuts what readers type in the same way: a test compares the two.
Chinese becomes pairs of characters, as in Lucene's CJK analyser: no dictionary decides which words
exist, so that parts of long terms are found too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
PART = rf"[^\W{HAN}](?:[^\W{HAN}]|[\u0300-\u036f@])*"
WORD = re.compile(rf"(?P<han>[{HAN}]+)|[A-Za-z](?:\+\+|\#)(?!\w)|\d+(?:\.\d+)+|{PART}(?:-{PART})*")
INNER = re.compile(r"[-_@]+|(?<=[a-z])(?=[A-Z])")
"""Where a name has parts that are words too: tensor-parallel-size, vllm_config, PagedAttention."""


def tokens(text: str) -> Iterator[str]:
    for match in WORD.finditer(unicodedata.normalize("NFC", text)):
        if not match["han"]:
            yield from _parts(match[0])
        elif len(match[0]) == 1:
            yield match[0]
        else:
            yield from map("".join, zip(match[0], match[0][1:], strict=False))


def _parts(word: str) -> Iterator[str]:
    """The word as a whole, with its hyphens left out, and its parts if it has several."""
    parts = [part for part in INNER.split(word) if part]
    yield fold(word.replace("-", ""))
    if len(parts) > 1:
        yield from map(fold, parts)


def fold(word: str) -> str:
    """Without what readers may type in another way: case, accents, and full width."""
    plain = unicodedata.normalize("NFKD", word)
    return "".join(c for c in plain if not unicodedata.combining(c)).lower()
