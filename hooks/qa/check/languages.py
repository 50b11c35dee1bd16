"""Is a page written in its own language?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.check.blocks import blocks
from qa.failures import Failure
from qa.pages.page import Page

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff][^\n|]*")
ENGLISH = re.compile(r"(?:[A-Za-z][A-Za-z'’-]*[,;:]? +){3,}[A-Za-z][A-Za-z'’-]*")
"""Four words in a row: shorter are names, which Chinese text is full of."""
NAMES = re.compile(r"!?\[[^\]\n]*\]|(?<!\*)\*[^*\n]+\*(?!\*)")
"""Titles of what is linked or cited stay in their language."""
FOREIGN = {"zh": (ENGLISH, "English"), "en": (HAN, "Chinese")}
OWN = {"zh": "Chinese", "en": "English"}


def check(page: Page) -> Iterator[Failure]:
    """Where a sentence was left in the other language, once if all of the page was."""
    pattern, language = FOREIGN[page.language]
    found = []
    texts = [(block.line, block.text) for block in blocks(page)]
    texts += [(page.meta_line("description"), str(page.meta.get("description", "")))]
    for line, text in texts:
        named = NAMES.sub(" . ", text) if page.language == "zh" else text
        if match := pattern.search(named):
            found.append((line + named.count("\n", 0, match.start()), match[0].strip()))
    if len(found) > 3 and len(found) > len(texts) / 2:
        reason = f"is written in {language}, and stands among the pages in {OWN[page.language]}"
        yield Failure(page.path, 1, reason, code="language-of-page")
        return
    for line, text in found:
        reason = f'"{text[:60]}" is {language} on a page in {OWN[page.language]}'
        yield Failure(page.path, line, reason, code="language-of-text")
