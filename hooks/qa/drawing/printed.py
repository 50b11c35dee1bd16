"""What drawings need where no page gives it to them: in a file of their own, and set by Typst."""

from __future__ import annotations

import re
import sys
from pathlib import Path

FONTS = Path(sys.prefix, "share/fonts")
"""Where the Makefile puts a Chinese one; that of a system does as well."""
DIAGRAM = re.compile(r'<div class="qa-diagram">(<svg\b.*?</svg>)</div>', re.DOTALL)
"""One in the HTML of a page. From the text: a parser of HTML knows no capitals in the names of
attributes."""
WITHIN = re.compile(r"\.qa-diagram (?!\{)")
VARIABLE = re.compile(r"var\([\w-]+, *([^()]+)\)")


def standing_alone(svg: str, style: str) -> str:
    """A diagram as a file, in the colours that the `style` of the site's has for a light page."""
    # Not all that draw SVG know what stands within what.
    rules = WITHIN.sub("", VARIABLE.sub(r"\1", style))
    start = '<svg class="qa-diagram" xmlns="http://www.w3.org/2000/svg"'
    return svg.replace("<svg", start, 1).replace(">", f"><style>{rules}</style>", 1)
