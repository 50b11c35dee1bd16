"""What a page may show, by MIME type: made so in the sandbox, held to it again by the builder."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable
from xml.etree import ElementTree

import nh3

from qa.printable import is_printable

SVG, WEBP, HTML, TEXT = "image/svg+xml", "image/webp", "text/html", "text/plain"

LARGEST_TEXT = LARGEST_HTML = 100_000
"""Characters."""
LARGEST_SVG = 150_000
"""Characters; a figure with more marks than this is smaller, and faster to draw, as pixels."""
LARGEST_WEBP = 1 << 20
"""Bytes."""
MOST_PIXELS = 16_000_000
DEEPEST = 100
"""Elements, one in the other."""

CELL_SPAN = {"colspan", "rowspan", "scope"}
BLOCKS = (
    *("table", "caption", "colgroup", "thead", "tbody", "tfoot", "tr", "p", "div", "pre"),
    *("blockquote", "ul", "li", "dl", "dt", "dd", "hr", "br"),
)
PHRASES = (
    *("b", "strong", "i", "em", "u", "s", "del", "ins", "small", "mark", "sub", "sup", "q"),
    *("code", "kbd", "samp", "var", "span", "wbr"),
)
HTML_ATTRIBUTES: dict[str, set[str]] = {
    **{tag: set() for tag in (*BLOCKS, *PHRASES)},
    **{"th": CELL_SPAN, "td": CELL_SPAN, "col": {"span"}, "ol": {"start"}},
    **{"div": {"class"}, "span": {"class"}},
}
HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
MATHEMATICS = "arithmatex"
"""The one class that stays: a formula in it is drawn."""

SVG_ROOT = (
    'xmlns:xlink="http://www.w3.org/1999/xlink" stroke-linejoin="round" stroke-linecap="butt"'
)
"""The second half is what Matplotlib says in a style sheet, which is not let through."""
SVG_COMMON = {
    *("id", "style", "transform", "clip-path", "x", "y", "width", "height"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "opacity"),
}
SVG_ATTRIBUTES: dict[str, set[str]] = {
    tag: own | SVG_COMMON
    for tag, own in {
        "svg": {"viewBox", "version", "xmlns"},
        "g": set[str](),
        "defs": set[str](),
        "clipPath": {"clipPathUnits"},
        "path": {"d"},
        "rect": {"rx", "ry"},
        "circle": {"cx", "cy", "r"},
        "use": {"href", "xlink:href"},
        "image": {"href", "xlink:href", "preserveAspectRatio"},
        "text": set[str](),
        "tspan": {"dx", "dy"},
        "pattern": {"patternUnits", "patternTransform", "patternContentUnits", "viewBox"},
        "linearGradient": {"x1", "y1", "x2", "y2", "gradientUnits", "gradientTransform"},
        "stop": {"offset"},
    }.items()
}
SVG_WRITTEN = {
    **SVG_ATTRIBUTES,
    "svg": SVG_ATTRIBUTES["svg"] | {"xmlns:xlink", "stroke-linejoin", "stroke-linecap"},
}
HEADING = re.compile(r"<(/?)h[1-6]>")
CSS_URL = re.compile(r"""url\(\s*["']?([^)"']*)""", re.I)
WEBP_HEADER = struct.Struct("<4sI4s4sI3s3sHH")
"""Of a file with one lossy picture: RFC 9649, section 2.5, and RFC 6386, section 9.1."""
VOID = {"br", "hr", "wbr", "col"}

ENTITY = "&(?:amp|lt|gt|quot|nbsp|#160);"
TOKEN = re.compile(
    rf"(?:[^<>&]++|{ENTITY})++|</(?P<close>\w+)>"
    rf'|<(?P<open>\w+)(?P<attributes>(?: [\w:-]++="(?:[^<>&"]++|{ENTITY})*+")*+)>'
)
ATTRIBUTE = re.compile(r' ([\w:-]+)="([^"]*)"')


class UnsafeOutput(ValueError):
    """An output that would lose its meaning, or its harm, on a page; the text says what."""


def safe_html(html: str) -> str:
    """Tables and simple text only: no script, style, handler, link or image."""
    clean = nh3.clean(
        html,
        tags=set(HTML_ATTRIBUTES) | HEADINGS,
        clean_content_tags={"script", "style"},
        attributes=HTML_ATTRIBUTES,
        attribute_filter=lambda tag, name, value: value if _is_plain(tag, name, value) else None,
    )
    # The headings of a page are its author's.
    clean = HEADING.sub(lambda tag: "</strong></p>" if tag[1] else "<p><strong>", clean)
    # pandas leaves the corner above the index empty: a header without text names nothing.
    return clean.replace("<th></th>", "<td></td>").strip()


def _is_plain(tag: str, name: str, value: str) -> bool:
    """Of an attribute of HTML."""
    if name == "class":
        return value == MATHEMATICS
    return value in ("row", "col", "rowgroup", "colgroup") if name == "scope" else value.isdecimal()


def safe_svg(svg: str) -> str:
    """Shapes, text and embedded pixels only: nothing that runs, and no reference that leaves it.

    Raises UnsafeOutput if nothing that can be drawn is left.
    """
    clean = nh3.clean(
        svg[max(svg.find("<svg"), 0) :],
        tags=set(SVG_ATTRIBUTES),
        clean_content_tags={"script", "style", "foreignObject", "metadata"},
        attributes=SVG_ATTRIBUTES,
        url_schemes={"data"},
        attribute_filter=lambda tag, name, value: value if _is_inner(tag, name, value) else None,
    )
    # HTML's parser knows neither the prefix of links nor that XML lacks the name of this space.
    clean = clean.replace("<svg ", f"<svg {SVG_ROOT} ", 1).replace("&nbsp;", "&#160;")
    try:
        ElementTree.fromstring(clean)
    except ElementTree.ParseError as error:
        raise UnsafeOutput(f"an SVG that cannot be drawn in its output: {error}") from error
    return clean.strip()


def _is_inner(tag: str, name: str, value: str) -> bool:
    """Of an attribute of SVG: it names nothing outside the drawing."""
    if name.endswith("href"):
        return value.startswith("#") or (tag == "image" and value.startswith("data:image/png;"))
    return all(target.startswith("#") for target in CSS_URL.findall(value))


def checked(kind: str, content: object) -> str:
    """`content` again, if it is what this module makes of an output. Raises UnsafeOutput.

    It trusts nothing and takes time in proportion to the length.
    """
    form = CHECKS.get(kind)
    if form is None or not isinstance(content, str) or not form(content):
        raise UnsafeOutput(f"no safe {kind!r} in its output")
    return content


def _is_text(text: str) -> bool:
    return len(text) <= LARGEST_TEXT and is_printable(text)


def _is_html(html: str) -> bool:
    return len(html) <= LARGEST_HTML and _is_markup(html, HTML_ATTRIBUTES, _is_plain)


def _is_svg(svg: str) -> bool:
    return svg.startswith("<svg ") and _is_markup(svg, SVG_WRITTEN, _is_inner)


def _is_markup(
    text: str, known: dict[str, set[str]], good: Callable[[str, str, str], bool]
) -> bool:
    """Whether it is made of known elements with good attributes, each closed in its place."""
    place, opened = 0, list[str]()
    while place < len(text) and (token := TOKEN.match(text, place)):
        place = token.end()
        if tag := token["open"]:
            attributes = ATTRIBUTE.findall(token["attributes"])
            if any(name not in known.get(tag, ()) or not good(tag, name, value)
                   for name, value in attributes):  # fmt: skip
                return False
            if tag not in VOID:
                opened.append(tag)
        elif (tag := token["close"]) and (not opened or opened.pop() != tag):
            return False
        if len(opened) > DEEPEST or (tag and tag not in known):
            return False
    return place == len(text) and not opened and is_printable(text)


def _is_webp(content: str) -> bool:
    """One still picture of a size that can be shown, and nothing else in its file."""
    try:
        data = base64.b64decode(content, validate=True)
        riff, size, webp, kind, chunk, _, start, width, height = WEBP_HEADER.unpack_from(data)
    except (ValueError, struct.error):
        return False
    return (
        (riff, webp, kind, start) == (b"RIFF", b"WEBP", b"VP8 ", b"\x9d\x01\x2a")
        and len(data) == size + 8 == chunk + chunk % 2 + 20
        and len(data) <= LARGEST_WEBP
        and 0 < (width & 0x3FFF) * (height & 0x3FFF) <= MOST_PIXELS
    )


CHECKS: dict[str, Callable[[str], bool]] = {
    TEXT: _is_text,
    HTML: _is_html,
    SVG: _is_svg,
    WEBP: _is_webp,
}
