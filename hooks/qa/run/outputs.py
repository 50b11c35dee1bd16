"""Jupyter outputs made safe and small: one MIME type each, nothing that a browser would run."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree

import nh3
from PIL import Image

SVG, PNG, WEBP, HTML, TEXT = "image/svg+xml", "image/png", "image/webp", "text/html", "text/plain"
LARGEST_SVG = 150_000
"""Characters; a figure with more marks than this is smaller, and faster to draw, as pixels."""

ANSI = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")

ACTIVE_TAGS = {"script", "iframe", "object", "embed", "form", "link", "base", "meta"}
JAVASCRIPT = "application/javascript"

SVG_ROOT = (
    'xmlns:xlink="http://www.w3.org/1999/xlink" stroke-linejoin="round" stroke-linecap="butt"'
)
"""The second half is what Matplotlib says in a style sheet, which is not let through."""
SVG_COMMON = {
    *("id", "style", "transform", "clip-path", "x", "y", "width", "height"),
    *("fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "opacity"),
}
SVG_ATTRIBUTES: dict[str, set[str]] = {
    "svg": {"viewBox", "version", "xmlns"},
    "g": set(),
    "defs": set(),
    "clipPath": {"clipPathUnits"},
    "path": {"d"},
    "rect": {"rx", "ry"},
    "circle": {"cx", "cy", "r"},
    "use": {"href", "xlink:href"},
    "image": {"href", "xlink:href", "preserveAspectRatio"},
    "text": set(),
    "tspan": {"dx", "dy"},
    "pattern": {"patternUnits", "patternTransform", "patternContentUnits", "viewBox"},
    "linearGradient": {"x1", "y1", "x2", "y2", "gradientUnits", "gradientTransform"},
    "stop": {"offset"},
}
CSS_URL = re.compile(r"""url\(\s*["']?([^)"']*)""", re.I)

CELL_SPAN = {"colspan", "rowspan", "scope"}
TABLE_TAGS = {"table", "caption", "thead", "tbody", "tfoot", "tr", "th", "td"}
TEXT_TAGS = {"p", "br", "b", "strong", "i", "em", "code", "pre", "sub", "sup", "ul", "ol", "li"}


class UnsafeOutput(ValueError):
    """An output that would lose its meaning, or its harm, on a page."""


def without_ansi(text: str) -> str:
    return ANSI.sub("", text)


def make_safe(outputs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Reduce each output to what a page shows; adjacent pieces of one stream become one.

    Raises UnsafeOutput.
    """
    safe: list[dict[str, Any]] = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            text = without_ansi(output["text"])
            if safe and safe[-1]["output_type"] == "stream" and safe[-1]["name"] == output["name"]:
                safe[-1]["text"] += text
            else:
                safe.append({"output_type": "stream", "name": output["name"], "text": text})
        elif kind == "error":
            error = {key: without_ansi(output[key]) for key in ("ename", "evalue")}
            safe.append({"output_type": "error", **error, "traceback": []})
        elif kind in ("display_data", "execute_result"):
            data = dict([_safest(output["data"])])
            safe.append({"output_type": "display_data", "data": data, "metadata": {}})
    return safe


def _safest(data: dict[str, Any]) -> tuple[str, str]:
    found = ["a script"] if JAVASCRIPT in data else []
    for kind in (HTML, SVG):
        finder = _ActiveContent()
        finder.feed(data.get(kind, ""))
        found += finder.found
    if found:
        raise UnsafeOutput(f"{found[0]} in its output: show text, a table or a figure")
    if SVG in data and (len(data[SVG]) <= LARGEST_SVG or PNG not in data):
        return SVG, safe_svg(data[SVG])
    if PNG in data:
        return WEBP, png_to_webp(data[PNG])
    if HTML in data:
        return HTML, safe_html(data[HTML])
    return TEXT, without_ansi(data.get(TEXT, ""))


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


def safe_html(html: str) -> str:
    """Tables and simple text only: no script, style, handler, class, link or image."""
    clean = nh3.clean(
        html,
        tags=TABLE_TAGS | TEXT_TAGS,
        clean_content_tags={"script", "style"},
        attributes={"th": CELL_SPAN, "td": CELL_SPAN},
    )
    # pandas leaves the corner above the index empty: a header without text names nothing.
    return clean.replace("<th></th>", "<td></td>").strip()


def safe_svg(svg: str) -> str:
    """Shapes, text and embedded pixels only: nothing that runs, and no reference that leaves it.

    Raises UnsafeOutput if nothing that can be drawn is left.
    """
    clean = nh3.clean(
        svg[max(svg.find("<svg"), 0) :],
        tags=set(SVG_ATTRIBUTES),
        clean_content_tags={"script", "style", "foreignObject", "metadata"},
        attributes={tag: own | SVG_COMMON for tag, own in SVG_ATTRIBUTES.items()},
        url_schemes={"data"},
        attribute_filter=_inner_reference,
    )
    # HTML's parser knows neither the prefix of links nor that XML lacks the name of this space.
    clean = clean.replace("<svg ", f"<svg {SVG_ROOT} ", 1).replace("&nbsp;", "&#160;")
    try:
        ElementTree.fromstring(clean)
    except ElementTree.ParseError as error:
        raise UnsafeOutput(f"an SVG that cannot be drawn in its output: {error}") from error
    return clean.strip()


def _inner_reference(tag: str, name: str, value: str) -> str | None:
    """The value of an attribute unless it names something outside the drawing."""
    if name.endswith("href") and not value.startswith(("#", "data:image/png;")):
        return None
    leaves = any(not target.startswith("#") for target in CSS_URL.findall(value))
    return None if leaves else value


def png_to_webp(png: str) -> str:
    """Base64 in and out. Pixels get a white ground: unlike SVG text they cannot change colour."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        ground = Image.new("RGBA", image.size, "white")
        ground.alpha_composite(image.convert("RGBA"))
        buffer = io.BytesIO()
        ground.convert("RGB").save(buffer, "WEBP", quality=85, method=6)
    return base64.b64encode(buffer.getvalue()).decode()
