"""Tables of many columns can be read on a phone: there each row is a card, see assets/phone.css."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape, unescape
from itertools import count

FEWEST = 4
"""Columns; a table of fewer fits."""
# As Python-Markdown writes them: the tables of runs are written in another way, and stay tables.
TABLE = re.compile(r"<table>\n<thead>\n(?P<head>.*?)</thead>\n<tbody>\n.*?</table>", re.DOTALL)
HEAD = re.compile(r"<th\b[^>]*>(.*?)</th>", re.DOTALL)
PLACES = re.compile(r"<(?P<tag>table|thead|tbody|tr|th|td)\b")
TAGS = re.compile(r"<[^>]+>")
# A table that is laid out in another way would lose them in some browsers.
ROLES = {
    "table": "table",
    "thead": "rowgroup",
    "tbody": "rowgroup",
    "tr": "row",
    "th": "columnheader",
    "td": "cell",
}


def labelled(article: str) -> str:
    """The HTML of an article, in which each cell of a table of many columns names its column."""
    return TABLE.sub(_labelled, article)


def _labelled(table: re.Match[str]) -> str:
    heads = [unescape(TAGS.sub("", head)).strip() for head in HEAD.findall(table["head"])]
    return _with_roles(table[0], heads) if len(heads) >= FEWEST else table[0]


def _with_roles(table: str, heads: Sequence[str]) -> str:
    cells = count()

    def mark(place: re.Match[str]) -> str:
        marked = f'{place[0]} role="{ROLES[place["tag"]]}"'
        if place["tag"] != "td":
            return marked
        return f'{marked} data-label="{escape(heads[next(cells) % len(heads)])}"'

    return PLACES.sub(mark, table)
