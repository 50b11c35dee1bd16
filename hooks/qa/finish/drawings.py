"""Diagrams and formulas take the place of their sources in the HTML of an article."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from itertools import count

from qa.drawing import picture
from qa.drawing.drawings import Drawing, Sketch

PLACES = re.compile(
    r"<(?:h[1-6]\b[^>]*>(?P<heading>.*?)</h[1-6]>"
    r'|pre class="qa-diagram"><code>(?P<diagram>.*?)</code></pre>'
    r'|(?P<open>(?P<tag>span|div) class="arithmatex">)(?P<formula>\\[(\[].*?\\[)\]])</(?P=tag)>)',
    re.DOTALL,
)
WORDS = re.compile(r">([^<>]+)</t(?:ext|span)>")
TAG = re.compile(r"<[^>]+>")


def sketches(article: str) -> list[Sketch]:
    """What is to be drawn of the HTML of an article, in its order."""
    return [sketch for match in PLACES.finditer(article) if (sketch := _sketch(match))]


def put_in(article: str, drawn: Mapping[Sketch, Drawing]) -> str:
    """The article with its `sketches` drawn; a diagram is named by the heading above it."""
    numbers = count(1)
    heading = ""

    def draw(match: re.Match[str]) -> str:
        nonlocal heading
        sketch = _sketch(match)
        if sketch is None:
            heading = html.unescape(TAG.sub("", match["heading"])).removesuffix("¶").strip()
            return match[0]
        if sketch.kind == "diagram":
            return _named(drawn[sketch].drawn, heading, next(numbers))
        return f"<{match['open']}{drawn[sketch].drawn}</{match['tag']}>"

    return PLACES.sub(draw, article)


def _sketch(match: re.Match[str]) -> Sketch | None:
    if match["diagram"] is not None:
        return Sketch("diagram", html.unescape(match["diagram"]).rstrip("\n"))
    if match["formula"] is None:
        return None
    source = html.unescape(match["formula"])
    return Sketch("display" if source.startswith("\\[") else "formula", source[2:-2])


def _named(svg: str, name: str, number: int) -> str:
    """With ids that are each on a page once, and its words for who hears them in their order."""
    label, words = html.escape(name), "; ".join(WORDS.findall(svg))
    opening, _, rest = svg.replace(picture.PREFIX, f"diagram-{number}").partition(">")
    opening = opening.replace("<svg", f'<svg id="diagram-{number}" role="img" aria-label="{label}"')
    drawn = f"{opening}><desc>{words}</desc>{rest}"
    return f'<figure class="qa-figure"><div class="qa-diagram">{drawn}</div></figure>'
