"""Marks of Markdown that a reader sees, because it understood something else than was meant."""

from __future__ import annotations

import re
from collections.abc import Iterator

MARKS = (
    (
        "value-form",
        r"\{\{.*?\}\}|\{\{|\}\}",
        "is no value: write {{ name }} or {{ name:format }} on one line",
    ),
    (
        "emphasis-form",
        r"\*\*|(?<![\w_])__(?=\w)|(?<!\S)\*(?=[^\W\d])|(?<=[^\W\d])\*(?!\S)",
        "opens or closes no emphasis",
    ),
    ("code-form", r"`+", "opens or closes no code"),
    (
        "link-form",
        r"!?\]\(|\]\[|\] +\([^()\s]+\.[a-z]+[)#]|\)\[[^\[\]\s]*(?:\.md|//)",
        "is no link that is closed, or none that is defined",
    ),
    ("footnote-form", r"\[\^[^\]\s]+\]", "is no footnote"),
    ("attributes-form", r"\{:|\{ *[#.][\w-]|\{ *[\w-]+=", "is no list of attributes here"),
    (
        "admonition-form",
        r"^ *(?:!!!|\?\?\?\+?|={3}) ",
        'begins no box: write !!! type "title", and indent its text by 4',
    ),
    ("task-form", r"^ *\[[ xX]\] ", "is no box to tick: write the character, ☐ or ☑"),
    ("fence-form", r"^ *(?:~~~|:::|''')", "is no fence: the same marks close it, equally indented"),
    ("mathematics-form", r"\$\$", "is no formula: it stands in a paragraph of its own"),
    ("comment-form", r"&lt;!--|--&gt;", "is no comment that is closed"),
    (
        "table-form",
        r"^ *\|.*\||^ *:?-{3,}:? *\|",
        "is no table: it needs an empty line above, and as many cells below the head as in it",
    ),
    (
        "list-form",
        r"(?<=\n) *(?:[-*+]|\d{1,3}[.)]) +(?=\S)|\A *\d{1,3}\) +(?=\S)|^ *(?:• ?|[-+](?=[^\W\d]))",
        "begins no item of a list: write - and a space, or 1. and a space, below an empty line",
    ),
    ("heading-form", r"^ *#{1,6} ", "begins no heading here"),
    ("quotation-form", r"^ *&gt; ", "begins no quotation: it needs an empty line above"),
    ("definition-form", r"(?<=\n): +", "begins no definition"),
    ("mark-form", r"~~(?=\S)|(?<!=)==(?=[^\s=][^=]*==)|\^\^(?=\S)", "marks nothing here"),
    (
        "symbol-form",
        r"(?<![\w:/]):[a-z][a-z0-9_+-]*:(?![\w:/])",
        "is no symbol: write the character itself",
    ),
    ("break-form", r"\\$", "ends no line: two spaces at its end do"),
    ("include-form", r"-8&lt;-", "includes nothing here: only a fence includes files"),
)
"""Code, how it looks in HTML, and what is wrong with it."""
SINGLE = [(code, re.compile(pattern, re.MULTILINE), what) for code, pattern, what in MARKS]
ANY = re.compile("|".join(f"(?:{pattern})" for _, pattern, _ in MARKS), re.MULTILINE)
BY_NAME = re.compile(r"&(?!lt;|gt;|amp;|quot;)#?\w+;")
"""A character that was written by its number or name is meant."""


def find(text: str) -> Iterator[tuple[str, str, str, str]]:
    """Code, the mark, what is wrong with it, and the line in which it stands; of a piece of HTML
    without tags."""
    seen = BY_NAME.sub("\ufffc", text)
    if not ANY.search(seen):
        return
    for code, pattern, what in SINGLE:
        for match in pattern.finditer(seen):
            begin = seen.rfind("\n", 0, match.start()) + 1
            line = seen[begin:].partition("\n")[0].strip()
            yield code, match[0].strip(), what, line
