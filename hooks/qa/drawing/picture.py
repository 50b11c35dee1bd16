"""Mermaid's SVG, rebuilt of what a diagram needs: no styles, scripts, links or foreign content.

Colours and fonts are those of the page, by class (docs/assets/diagrams.css), so that one drawing
serves both colour schemes.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

PREFIX = "qa-diagram-marker"
"""Begins all ids in a drawing: each page gives its own in its place, see qa.finish.drawings."""
LARGEST = 200_000
"""Characters of a drawing."""

SVG = "{http://www.w3.org/2000/svg}"
COMMON = {"class", "transform", "fill", "stroke"}
BOX = {"x", "y", "width", "height"}
ENDS = {"marker-start", "marker-end"}
ALLOWED = {
    "svg": {"viewBox"},
    "g": set(),
    "path": {"d"} | ENDS,
    "rect": {"rx", "ry"} | BOX,
    "circle": {"cx", "cy", "r"},
    "ellipse": {"cx", "cy", "rx", "ry"},
    "line": {"x1", "y1", "x2", "y2"} | ENDS,
    "polygon": {"points"},
    "polyline": {"points"},
    "text": {"x", "y", "dy", "text-anchor", "dominant-baseline"},
    "tspan": {"x", "y", "dy", "text-anchor", "font-weight", "font-style"},
    "marker": {"id", "viewBox", "refX", "refY", "markerWidth", "markerHeight", "orient"}
    | {"markerUnits"},
}
DROPPED = {"style", "filter", "linearGradient", "symbol", "title", "desc"}
"""What Mermaid puts into each drawing, and no diagram needs."""
NUMBER = re.compile(r"-?\d+\.\d{2,}")
REFERENCE = re.compile(r"url\(#([\w.-]+)\)")
ANCHOR = re.compile(r"text-anchor: *(start|middle|end)")
NUMBERED = re.compile(r"&#\d+;")
"""An entity that Mermaid has left as it was."""
BROKEN_WORD = re.compile(r"(?<=[\u2e80-\uffef])-$")
"""A Chinese line that Mermaid has broken has no hyphen."""


class Undrawable(ValueError):
    """A drawing that shows nothing, or something that is not allowed."""


def rebuild(svg: str) -> str:
    """Raises Undrawable."""
    try:
        drawn = ElementTree.fromstring(svg)
    except ElementTree.ParseError as error:
        raise Undrawable(f"is drawn as something that is no SVG: {error}") from error
    used = sorted({name for each in drawn.iter() for name in _references(each)})
    rebuilt = _rebuilt(drawn, {name: f"{PREFIX}-{number}" for number, name in enumerate(used)})
    if rebuilt is None or not "".join(rebuilt.itertext()).strip():
        raise Undrawable("the diagram shows nothing")
    rebuilt.attrib.pop("class", None)
    width, height = (round(float(size)) for size in rebuilt.get("viewBox", "").split()[2:])
    rebuilt.attrib |= {"width": str(width), "height": str(height), "style": f"--width:{width}px"}
    text = ElementTree.tostring(rebuilt, encoding="unicode")
    if len(text) > LARGEST:
        raise Undrawable(f"the diagram is larger than {LARGEST // 1000} kB: make it two")
    return text


def _references(element: Element) -> list[str]:
    return [name for end in ENDS for name in REFERENCE.findall(element.get(end, ""))]


def _rebuilt(element: Element, ids: dict[str, str]) -> Element | None:
    """A copy with what is allowed; None where nothing of it would be seen."""
    name = element.tag.removeprefix(SVG)
    if name in DROPPED or (name == "marker" and element.get("id") not in ids):
        return None
    name = "g" if name == "defs" else name
    if name not in ALLOWED:
        raise Undrawable(f"a <{name}> has no place in a diagram")
    copy = Element(name, dict(_attributes(name, element, ids)))
    if name in ("text", "tspan") and _is_one_line(element):
        copy.text = _words("".join(element.itertext()))
        return copy if copy.text.strip() else None
    copy.text = _words(element.text or "") if name in ("text", "tspan") else None
    copy.extend(part for child in element if (part := _rebuilt(child, ids)) is not None)
    seen = len(copy) or copy.text or (name != "g" and len(element) == 0 and _has_size(name, copy))
    return copy if seen else None


def _words(text: str) -> str:
    return NUMBERED.sub(lambda match: html.unescape(match[0]), BROKEN_WORD.sub("", text))


def _is_one_line(text: Element) -> bool:
    """Without parts that have a place or a face of their own: each word is one for Mermaid."""
    return all(
        part.get("x") is None
        and part.get("font-weight", "normal") == part.get("font-style", "normal") == "normal"
        for part in text.iter()
        if part is not text
    )


def _has_size(name: str, element: Element) -> bool:
    return name != "rect" or float(element.get("width", 0)) > 0


def _attributes(name: str, element: Element, ids: dict[str, str]) -> Iterator[tuple[str, str]]:
    allowed = ALLOWED[name] | COMMON
    for key, value in element.items():
        if key not in allowed or (key in ("fill", "stroke") and value != "none"):
            continue
        if key == "id":
            value = ids[value]
        elif key in ENDS:
            value = REFERENCE.sub(lambda match: f"url(#{ids[match[1]]})", value)
        yield key, NUMBER.sub(lambda match: f"{float(match[0]):.1f}", value)
    if anchor := ANCHOR.search(element.get("style", "")):
        yield "text-anchor", anchor[1]
