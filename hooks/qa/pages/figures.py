"""Figures of a run as files, and the HTML that shows them on a light and on a dark page."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass

from qa.pages.inert import inert_html
from qa.pages.labels import Labels
from qa.run.inside.safe import SVG, WEBP
from qa.run.store import CellResult

TEXT_COLOUR = "#0a0b0c"
"""What the kernel's matplotlibrc gives to text and axes; each scheme has its own in its place."""

SCHEMES = {"light": "#212121", "dark": "#e2e4e9"}


@dataclass(frozen=True)
class FigureFile:
    name: str
    content: bytes


def figure_files(cell: str, result: CellResult, labels: Labels) -> list[FigureFile]:
    """All files that the figures of a cell need in one language: an SVG for each scheme, or one
    WebP."""
    files = []
    for number, data in enumerate(_figures(result), 1):
        stem = _stem(cell, number, data, labels.language)
        if SVG in data:
            svg = labels.put(data)[SVG]
            for scheme, colour in SCHEMES.items():
                text = svg.replace(TEXT_COLOUR, colour)
                files.append(FigureFile(f"{stem}-{scheme}.svg", text.encode()))
        else:
            files.append(FigureFile(f"{stem}.webp", base64.b64decode(data[WEBP])))
    return files


def _figures(result: CellResult) -> list[dict[str, str]]:
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
        return "\n".join(
            f'<img src="{stem}-{scheme}.svg#only-{scheme}" alt="{alt}"{size} loading="lazy">'
            for scheme in SCHEMES
        )
    return f'<img src="{stem}.webp" alt="{alt}" loading="lazy">'


def _size(svg: str) -> str:
    """Width and height in pixels, so that the page does not jump when the figure arrives."""
    found = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    if not found:
        return ""
    width, height = (round(float(points) * 4 / 3) for points in found.groups())
    return f' width="{width}" height="{height}"'
