"""Traditional Chinese, as far as it is typed for what stands in an index in simplified Chinese."""

from __future__ import annotations

from collections.abc import Iterator, Set
from functools import cache
from pathlib import Path

DICTIONARIES = Path(__file__).resolve().parents[3] / "node_modules/opencc-js/dist/esm-lib/dict"
"""Those of OpenCC (Apache-2.0). A site can be built without them; its search then knows no
traditional forms."""


def forms(known: Set[str]) -> dict[str, str]:
    """Traditional characters by the simplified ones they stand for, and words of Taiwan by those
    of the mainland, both in simplified characters; `known` are the characters and the pairs of
    characters that stand in an index."""
    characters = {
        old: new for old, new in _characters().items() if new in known and old not in known
    }
    words = {
        old: new
        for old, new in _words().items()
        if _pairs(new) <= known and not _pairs(old) <= known
    }
    return characters | words


def _pairs(word: str) -> set[str]:
    return {word[at : at + 2] for at in range(len(word) - 1)} or {word}


@cache
def _characters() -> dict[str, str]:
    return dict(_entries("TSCharacters"))


@cache
def _words() -> dict[str, str]:
    table = str.maketrans({old: new for old, new in _characters().items() if len(new) == 1})
    found = {old.translate(table): new.translate(table) for old, new in _entries("TWPhrasesRev")}
    return {old: new for old, new in found.items() if old != new and len(old) > 1}


def _entries(name: str) -> Iterator[tuple[str, str]]:
    """The file is a module of one text: `old new`, parted by bars."""
    path = DICTIONARIES / f"{name}.js"
    if path.exists():
        for entry in path.read_text(encoding="utf-8").split('"')[1].split("|"):
            old, _, new = entry.partition(" ")
            yield old, new.split(" ")[0]
