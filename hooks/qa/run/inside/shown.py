"""Runs in the sandbox: chooses what of a display a page shows, and converts it.

One MIME type each, as Jupyter chooses it. What would lose its meaning on a page is refused by name.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html.parser import HTMLParser

from qa.printable import printable
from qa.run.inside.pictures import FORMATS, to_webp
from qa.run.inside.prose import from_latex, from_markdown
from qa.run.inside.safe import (
    HEADINGS,
    HTML,
    HTML_ATTRIBUTES,
    LARGEST_HTML,
    LARGEST_SVG,
    LARGEST_TEXT,
    SVG,
    TEXT,
    WEBP,
    UnsafeOutput,
    safe_html,
    safe_svg,
)

MARKDOWN, LATEX = "text/markdown", "text/latex"
ORDER = (HTML, MARKDOWN, SVG, LATEX, *FORMATS, TEXT)
"""The richest first, as in Jupyter."""
LARGEST = {
    **{HTML: 5 * LARGEST_HTML, SVG: LARGEST_SVG, TEXT: LARGEST_TEXT},
    **{MARKDOWN: LARGEST_HTML // 5, LATEX: LARGEST_HTML // 5},
}
"""Characters before the conversion."""
JAVASCRIPT = "application/javascript"

ACTIVE_TAGS = {"script", "iframe", "object", "embed", "form", "link", "base", "meta"}
WRAPPERS = {"html", "head", "body", "section", "article", "header", "footer", "main", "font", "tt"}
"""Elements that can go: what stands in them reads the same without them."""
LOOKS = re.compile(r"\b(?:color|background|display|visibility|opacity|content)\b", re.I)
"""Styles that say something; a page has widths, borders and alignment of its own."""

ADDRESS = re.compile(r"\bat 0x[0-9a-fA-F]+")
NOTHING_SAID = re.compile(
    r"\A<[\w.<>]+ object>\Z|\bat 0x[0-9a-fA-F]{6,}"
    r"|\A<(?:function|bound method|built-in|module|generator|coroutine)\b[^\n]*>\Z"
)
"""In the text of an object that shows no more than its type, or where it lies."""

INSTEAD = "show text, a table or a figure"


def shown(data: Mapping[str, object]) -> tuple[str, str]:
    """The MIME type that a page shows, and its safe content: SVG, WebP in Base64, HTML or text.

    `data` is a MIME bundle. Raises UnsafeOutput.
    """
    rich = [kind for kind in ORDER if kind in data]
    unknown = sorted(map(str, data.keys() - set(rich)))
    if JAVASCRIPT in data:
        raise UnsafeOutput(f"a script in its output: {INSTEAD}")
    if unknown and rich in ([], [TEXT]):
        raise UnsafeOutput(f"{unknown[0]} in its output, which no page shows: {INSTEAD}")
    texts = {kind: _text(kind, data[kind]) for kind in rich}
    kind = rich[0]
    if kind == SVG and len(texts[SVG]) > LARGEST_SVG and "image/png" in texts:
        kind = "image/png"
    if kind in LARGEST:
        within(texts[kind], LARGEST[kind], f"{kind}: show a part of it")
    if kind in (HTML, SVG):
        _refuse_active(texts[kind])
    return _converted(kind, texts[kind])


def _converted(kind: str, text: str) -> tuple[str, str]:
    if kind in FORMATS:
        return WEBP, to_webp(kind, text)
    if kind == SVG:
        return SVG, safe_svg(text)
    if kind == TEXT:
        return TEXT, plain_text(text)
    if kind == MARKDOWN:
        text = from_markdown(text)
    elif kind == LATEX:
        text = from_latex(text)
    return HTML, _html(text)


def _text(kind: str, value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return "".join(value)
    if isinstance(value, str):
        return value.encode(errors="replace").decode()
    raise UnsafeOutput(f"{kind} in its output is no text, but of type {type(value).__name__}")


def within(text: str, most: int, what: str) -> str:
    """`text`, unless it is longer than a page should be made by it."""
    if len(text) > most:
        raise UnsafeOutput(
            f"its output is too large for a page ({len(text):,} characters of {what}; "
            f"{most:,} are the most)"
        )
    return text


def plain_text(text: str) -> str:
    _refuse_nothing_said(text)
    return within(printable(text), LARGEST_TEXT, "text")


def _refuse_nothing_said(text: str) -> None:
    if NOTHING_SAID.search(text.strip()):
        seen = ADDRESS.sub("at 0x…", " ".join(text.split())[:100])
        raise UnsafeOutput(
            f"its output says nothing to a reader ({seen}): "
            "show what the object holds, or end the line with a semicolon"
        )


def _html(html: str) -> str:
    finder = _Lost()
    finder.feed(html)
    finder.close()
    if finder.found:
        raise UnsafeOutput(f"{finder.found[0]} in its output, which no page shows: {INSTEAD}")
    return within(safe_html(printable(html)), LARGEST_HTML, "text/html: show a part of it")


class _Lost(HTMLParser):
    """Finds what the sanitiser would take away without leaving its meaning."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.in_style = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        # A scoped one is that of pandas for every table.
        self.in_style = tag == "style" and "scoped" not in values
        if tag not in HTML_ATTRIBUTES.keys() | HEADINGS | WRAPPERS | {"style"}:
            self.found.append(f"a <{tag}>")
        elif LOOKS.search(values.get("style", "")):
            self.found.append(f"a style ({values['style'].strip()[:60]})")

    def handle_endtag(self, tag: str) -> None:
        self.in_style = False

    def handle_data(self, data: str) -> None:
        _refuse_nothing_said(data)
        if self.in_style and data.strip():
            self.found.append("a style sheet")


def _refuse_active(markup: str) -> None:
    finder = _ActiveContent()
    finder.feed(markup)
    if finder.found:
        raise UnsafeOutput(f"{finder.found[0]} in its output: {INSTEAD}")


class _ActiveContent(HTMLParser):
    """Finds what a browser would run or fetch. It only gives a fault its name: what reaches a page
    is decided by the sanitiser's list of what may stay."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.found.append("a script")
        elif tag in ACTIVE_TAGS:
            self.found.append(f"a <{tag}>")
        for name, value in attributes:
            text = (value or "").strip().lower()
            if name.startswith("on") or text.startswith("javascript:"):
                self.found.append(f"a script ({name})")
            elif name in ("src", "href", "xlink:href") and text.startswith(("http", "//")):
                self.found.append(f"an address of another site ({value})")
