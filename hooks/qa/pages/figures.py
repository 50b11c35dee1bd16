"""Figures of a run as files, and the HTML that shows them on a light and on a dark page."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass

from qa.pages.inert import inert_html
from qa.run.inside.safe import SVG, WEBP
from qa.run.store import CellResult

TEXT_COLOUR = "#0a0b0c"
"""What the kernel's matplotlibrc gives to text and axes; each scheme has its own in its place."""

SCHEMES = {"light": "#212121", "dark": "#e2e4e9"}


@dataclass(frozen=True)
class FigureFile:
    name: str
    content: bytes


def figure_files(cell: str, result: CellResult) -> list[FigureFile]:
    """All files that the figures of a cell need: an SVG for each scheme, or one WebP."""
    files = []
    for number, data in enumerate(_figures(result), 1):
        if SVG in data:
            for scheme, colour in SCHEMES.items():
                text = data[SVG].replace(TEXT_COLOUR, colour)
                files.append(FigureFile(f"{cell}-{number}-{scheme}.svg", text.encode()))
        else:
            files.append(FigureFile(f"{cell}-{number}.webp", base64.b64decode(data[WEBP])))
    return files


def _figures(result: CellResult) -> list[dict[str, str]]:
    data = [output.get("data", {}) for output in result.outputs]
    return [bundle for bundle in data if SVG in bundle or WEBP in bundle]


def figure_html(cell: str, number: int, data: dict[str, str], folder: str, alt: str) -> str:
    """`number` counts the cell's figures from 1; `folder` is the relative address of its files."""
    alt = inert_html(html.escape(alt))
    if SVG in data:
        size = _size(data[SVG])
        return "\n".join(
            f'<img src="{folder}/{cell}-{number}-{scheme}.svg#only-{scheme}" alt="{alt}"{size}'
            ' loading="lazy">'
            for scheme in SCHEMES
        )
    return f'<img src="{folder}/{cell}-{number}.webp" alt="{alt}" loading="lazy">'


def _size(svg: str) -> str:
    """Width and height in pixels, so that the page does not jump when the figure arrives."""
    found = re.search(r'viewBox="[\d.-]+ [\d.-]+ ([\d.]+) ([\d.]+)"', svg)
    if not found:
        return ""
    width, height = (round(float(points) * 4 / 3) for points in found.groups())
    return f' width="{width}" height="{height}"'
