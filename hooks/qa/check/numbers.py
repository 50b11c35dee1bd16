"""The numbers of a text, in Chinese or in English, by their worth: 35 万 is 350,000."""

from __future__ import annotations

import re
from decimal import Decimal

POWERS = {
    **{"千": 3, "万": 4, "百万": 6, "亿": 8, "万亿": 12},
    **{"thousand": 3, "million": 6, "billion": 9, "trillion": 12},
}
NUMBER = re.compile(
    r"(?<![A-Za-z_\d.,/-])(?P<digits>\d+(?:,\d{3})*(?:\.\d+)?)(?![\d_])"
    r"(?:\s?[多余]?(?P<power>万亿|百万|万|亿|千(?![瓦字米克兆])|thousand|million|billion|trillion))?"
)
DIGIT = "[一二三四五六七八九]"
SPELT = re.compile(rf"[{DIGIT[1:-1]}十百千两半]+(?:成|分之)|{DIGIT}?十{DIGIT}?")
"""Chinese writes in words what English writes in digits: 九成 is 90%."""
SMALL = 31
"""Counts, dates and chapters up to this are words in one language and digits in the other."""


def read(text: str) -> dict[Decimal, str]:
    """Those that no language spells, each as it is written."""
    found = {}
    for match in NUMBER.finditer(text):
        worth = Decimal(match["digits"].replace(",", "")).scaleb(POWERS.get(match["power"], 0))
        small = worth <= SMALL and worth == worth.to_integral_value()
        if not small and worth.normalize().as_tuple().digits != (1,):
            found[worth.normalize()] = match[0].strip()
    return found


def only_in(text: str, other: str) -> list[str]:
    """As they are written in `text`, those that `other` neither has nor may spell."""
    if SPELT.search(other):
        return []
    there = read(other)
    return [written for worth, written in read(text).items() if worth not in there]
