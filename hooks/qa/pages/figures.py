"""Figures of a run as files, and the HTML that shows them on a light and on a dark page."""

from __future__ import annotations

import base64
import html
import math
import re
from dataclasses import dataclass

from qa.pages.inert import inert_html
from qa.pages.labels import Labels
from qa.run.inside.safe import SVG, WEBP, WEBP_HEADER
from qa.run.store import CellResult

TEXT_COLOUR = "#0a0b0c"
"""What the kernel's matplotlibrc gives to text and axes; each scheme has its own in its place."""

SCHEMES = {"light": "#212121", "dark": "#e2e4e9"}


SMALLEST = 11
"""Pixels of the smallest text of a figure on a phone."""
USUAL, LEAST = 16, 4
"""Units of text whose size nobody says, and of text that may be meant to be read."""
FONT_SIZE = re.compile(r"font(?:-size)?:[^;\"]*?([\d.]+)px")
BOX = re.compile(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"')


@dataclass(frozen=True)
class FigureFile:
    name: str
    content: bytes


def figure_files(cell: str, result: CellResult, labels: Labels) -> list[FigureFile]:
    """All files that the figures of a cell need in one language: an SVG for each scheme, or one
    WebP."""
    files = []
    for number, data in enumerate(figures_of(result), 1):
        stem = _stem(cell, number, data, labels.language)
        if SVG in data:
            svg = labels.put(data)[SVG]
            for scheme, colour in SCHEMES.items():
                text = svg.replace(TEXT_COLOUR, colour)
                files.append(FigureFile(f"{stem}-{scheme}.svg", text.encode()))
        else:
            files.append(FigureFile(f"{stem}.webp", base64.b64decode(data[WEBP])))
    return files


def figures_of(result: CellResult) -> list[dict[str, str]]:
    """What a cell showed of figures, by MIME type."""
    data = [output.get("data", {}) for output in result.outputs]
    return [bundle for bundle in data if SVG in bundle or WEBP in bundle]


def on_light(cell: str, number: int, data: dict[str, str], language: str) -> str:
    """The name of the file that shows a figure on a light page."""
    return _stem(cell, number, data, language) + ("-light.svg" if SVG in data else ".webp")


def _stem(cell: str, number: int, data: dict[str, str], language: str) -> str:
    """Pixels are the same in all languages."""
    return f"{cell}-{number}-{language}" if SVG in data else f"{cell}-{number}"


def figure_html(
    cell: str, number: int, data: dict[str, str], folder: str, alt: str, language: str
) -> str:
    """`number` counts the cell's figures from 1; `folder` is the relative address of its files."""
    alt = inert_html(html.escape(alt))
    stem = f"{folder}/{_stem(cell, number, data, language)}"
    if SVG in data:
        size = _size(data[SVG])
        images = [
            f'<img src="{stem}-{scheme}.svg#only-{scheme}" alt="{alt}"{size} loading="lazy">'
            for scheme in SCHEMES
        ]
    else:
        *_, width, height = WEBP_HEADER.unpack_from(base64.b64decode(data[WEBP]))
        size = f' width="{width & 0x3FFF}" height="{height & 0x3FFF}"'
        images = [f'<img src="{stem}.webp" alt="{alt}"{size} loading="lazy">']
    return "".join(['<figure class="qa-figure"><div class="qa-plot">', *images, "</div></figure>"])


def _size(svg: str) -> str:
    """Width and height in pixels, so that the page does not jump when the figure arrives, and the
    width at which its smallest text can be read."""
    found = BOX.search(svg)
    if not found:
        return ""
    width, height = (float(points) for points in found.groups())
    size = f' width="{round(width * 4 / 3)}" height="{round(height * 4 / 3)}"'
    if "<text" not in svg:
        return size
    smallest = max(LEAST, min(map(float, FONT_SIZE.findall(svg)), default=USUAL))
    return f'{size} style="--legible: {math.ceil(width * SMALLEST / smallest)}px"'
