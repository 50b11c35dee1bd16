"""How long a text is to read."""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import ceil

from qa.pages import markup
from qa.pages.page import VALUE, Page

HAN = re.compile(r"[\u3400-\u9fff]")
WORD = re.compile(r"[^\W\d_][\w'’.-]*")
UNREAD = re.compile(
    r"(?<=\])\([^)\n]*\)|\{:? *[#.][^}\n]*\}|<span lang=[^>\n]*>[^<\n]*</span>|<[^>\n]*>"
)
"""Addresses, attributes, tags, and names in another language."""
A_MINUTE = {"zh": (HAN, 400), "en": (WORD, 220)}
"""What is counted, and how many of it are read in a minute."""


def readable(lines: Iterable[str]) -> str:
    """Prose without code, mathematics, comments and addresses; values are numbers."""
    return UNREAD.sub(" ", VALUE.sub(" 0 ", markup.visible("\n".join(lines))))


def minutes(page: Page) -> int:
    """Of reading its prose."""
    pattern, a_minute = A_MINUTE[page.language]
    return ceil(len(pattern.findall(readable(page.prose))) / a_minute)
