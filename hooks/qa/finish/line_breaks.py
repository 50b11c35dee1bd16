"""Chinese has no spaces between words: where an author broke a line, a browser must show none."""

from __future__ import annotations

import re

WIDE = "[\u2e80-\u303f\u3400-\u9fff\uf900-\ufaff\uff00-\uffef“”‘’—…]"
TAGS = r"(?:</?(?:a|abbr|b|code|del|em|i|ins|kbd|mark|s|span|strong|sub|sup|u)\b[^<>]*>)*"
BREAK = re.compile(rf"({WIDE}{TAGS})[ \t]*\n[ \t]*(?={TAGS}{WIDE})")
KEPT = re.compile(r"(<pre\b.*?</pre>)", re.DOTALL)
"""Where a line's end is one."""


def joined(article: str) -> str:
    """The HTML of an article without line ends between two Chinese characters of one text."""
    parts = KEPT.split(article)
    parts[::2] = (BREAK.sub(r"\1", part) for part in parts[::2])
    return "".join(parts)
