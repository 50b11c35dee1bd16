"""All text of the engine is there in both languages, and says the same of the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict

from qa import LANGUAGES
from qa.words import WORDS

FILLED_IN = re.compile(r"\{(\w+)[^}]*\}")


def texts(words: object, name: str = "") -> Iterator[tuple[str, str]]:
    """All texts, each with the way to it."""
    if isinstance(words, str):
        yield name, words
    else:
        items = words.items() if isinstance(words, dict) else enumerate(words)  # type: ignore[arg-type]
        for key, part in items:
            yield from texts(part, f"{name}/{key}")


def test_each_language_has_every_text_and_fills_in_the_same() -> None:
    assert tuple(WORDS) == LANGUAGES
    first, *others = (dict(texts(asdict(WORDS[language]))) for language in LANGUAGES)
    for other in others:
        assert first.keys() == other.keys()
        for name, text in other.items():
            assert text.strip() and first[name].strip(), name
            assert set(FILLED_IN.findall(text)) == set(FILLED_IN.findall(first[name])), name


def test_chinese_is_chinese() -> None:
    """Names of products and units aside, which are the same in both."""
    chinese, english = (dict(texts(asdict(WORDS[language]))) for language in LANGUAGES)
    for name in chinese:
        assert chinese[name] != english[name] or chinese[name] == "Python", name
