"""A page's own words for the texts in the figures and tables of its run.

Its front matter maps each text, whole, to the page's: `labels: {loss: 损失}`. In both, `{}` stands
for a part without words, such as a number, which stays as it is. What maps to itself is a name.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Mapping
from functools import lru_cache

from qa.run.inside.safe import HTML, MATHEMATICS, SVG

Put = Callable[[str], str | None]
"""What takes the place of a text; None leaves it."""

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")
BETWEEN = re.compile(r"""[\s,;:()\[\]{}"'’“”…]+|[.!?](?=\s|$)""")
CODE = re.compile(r"[-/]|[^_=@\\]*[_=@\\]|[^A-Za-z]*[A-Za-z][^\d.]*[\d.]")
"""How a flag, a path, an identifier and a name with a number begin: no words of a language."""
WORD = re.compile(r"(?=.*[a-z]{2}).[^A-Z]*")
UNITS = {"ms", "min", "kg", "km", "cm", "mm", "px", "tok", "inf", "nan"}

TEXT = re.compile(r"<text([^>]*)>(.*?)</text>", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
GAP = re.compile(r">\s+<")
SIZE = re.compile(r"font-size: ([\d.]+)px")
WIDTH = 0.6
"""Of a letter of Matplotlib's own font, on average, as a share of its size."""
FAMILIES = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Noto Sans SC', sans-serif"
"""A picture has no fonts but those of its reader's system."""

NODE = re.compile(
    r"<(?P<code>code|pre|kbd|samp|var)>.*?</(?P=code)>"
    rf'|<(?P<formula>span|div) class="{MATHEMATICS}">.*?</(?P=formula)>'
    r"|(?:\A|>)(?P<text>[^<]*[^<\s][^<]*)",
    re.DOTALL,
)
"""A text of HTML; those of code and formulas have no labels."""


class Labels:
    def __init__(self, language: str, texts: Mapping[str, str]):
        self.language = language
        self.texts = texts
        self._patterns = [(_pattern(text), text) for text in texts if "{}" in text]

    def find(self, text: str) -> tuple[str, list[str]] | None:
        """The key for a text, and what its `{}` stand for."""
        if text in self.texts:
            return text, []
        for pattern, key in self._patterns:
            if (match := pattern.fullmatch(text)) and not any(map(self.is_foreign, match.groups())):
                return key, list(match.groups())
        return None

    def is_foreign(self, text: str) -> bool:
        """Whether it holds words of the other language."""
        return holds_english(text) if self.language == "zh" else bool(HAN.search(text))

    def put(self, data: Mapping[str, str]) -> Mapping[str, str]:
        """What a cell shows, by MIME type, with the labels in place."""
        return replaced(data, self._label, self.language) if self.texts else data

    def _label(self, text: str) -> str | None:
        found = self.find(text)
        if found is None or self.texts[found[0]] == found[0]:
            return None
        parts = iter(found[1])
        return re.sub(r"\{\}", lambda _: next(parts), self.texts[found[0]])


def _pattern(text: str) -> re.Pattern[str]:
    """Its groups are the parts. All but the last end where they first can: it takes no longer than
    the text is long."""
    first, *inner, last = map(re.escape, text.split("{}"))
    return re.compile(first + "".join(f"(?>(.+?){each})" for each in inner) + f"(.+){last}")


def holds_english(text: str) -> bool:
    """Whether a word stands there that is no unit, and neither `GPUs`, `fp16` nor `max_tokens`."""
    tokens = (token for token in BETWEEN.split(text) if not CODE.match(token))
    words = (word for token in tokens for word in re.split("[/-]", token))
    return any(WORD.fullmatch(word) and word not in UNITS for word in words)


def texts(data: Mapping[str, str]) -> list[str]:
    """All that may have a label in what a cell shows, each once."""
    return [text for kind, content in data.items() for text in _texts(kind, content)]


@lru_cache(1000)
def _texts(kind: str, content: str) -> tuple[str, ...]:
    """Kept, for each language asks."""
    found: dict[str, None] = {}
    replaced({kind: content}, lambda text: found.setdefault(text), "")
    return tuple(found)


def replaced(data: Mapping[str, str], put: Put, language: str) -> Mapping[str, str]:
    if SVG in data:
        svg = TEXT.sub(lambda match: _in_figure(match, put), data[SVG])
        return {SVG: svg.replace("<svg ", f'<svg xml:lang="{language}" ', 1)}
    if HTML in data:
        return {HTML: NODE.sub(lambda match: _in_table(match, put), data[HTML])}
    return data


def _in_figure(match: re.Match[str], put: Put) -> str:
    attributes, inner = match.groups()
    first = TAG.match(inner.strip())
    text = _plain(TAG.sub("", GAP.sub("><", inner)))
    label = put(text)
    if label is None:
        return match[0]
    shown = html.escape(label, quote=False)
    if first:  # Matplotlib writes a formula in pieces, each with its own place and style.
        shown = f"{first[0]}{shown}</tspan>"
    elif "text-anchor" not in attributes:
        attributes = _in_the_middle(attributes, text)
    return f"<text{attributes.replace('sans-serif', FAMILIES, 1)}>{shown}</text>"


def _in_the_middle(attributes: str, text: str) -> str:
    """Matplotlib places each of several lines by its own measure, most often around a middle."""
    size = SIZE.search(attributes)
    if size is None or " x=" in attributes:
        return attributes
    middle = len(text) * float(size[1]) * WIDTH / 2
    return attributes.replace('style="', f'x="{middle:.1f}" style="text-anchor: middle; ', 1)


def _in_table(match: re.Match[str], put: Put) -> str:
    text = match["text"]
    if not text or (label := put(_plain(text))) is None:
        return match[0]
    return match[0].replace(text.strip(), html.escape(label, quote=False), 1)


def _plain(markup: str) -> str:
    return " ".join(html.unescape(markup).split())
