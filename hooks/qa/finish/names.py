"""Boxes that open on demand and listings have names: an address can lead into each box, and the
theme's copy button goes by the nearest name around its code, which no other may share."""

from __future__ import annotations

import re
from itertools import count

BOX = re.compile(r'<details(?= class="(?!qa-code")[^"]*"(?: open(?:="[^"]*")?)?>)')
LISTING = re.compile(r'<div(?= class="[^"]*\bhighlight">)')


def with_names(article: str) -> str:
    """The HTML of an article; code that is folded belongs to its cell and is no box."""
    for kind, opening in (("box", BOX), ("listing", LISTING)):
        article = _named(article, kind, opening)
    return article


def _named(article: str, kind: str, opening: re.Pattern[str]) -> str:
    numbers = count(1)
    return opening.sub(lambda found: f'{found[0]} id="{kind}-{next(numbers)}"', article)
