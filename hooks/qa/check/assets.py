"""What lies beside the pages and is published as it is: of a list of kinds, and nothing that runs
but the project's own."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from qa import files
from qa.check.html import ATTRIBUTE, TOKEN
from qa.failures import Failure
from qa.memo import Memo
from qa.run.inside.safe import CSS_URL, MOST_PIXELS, SVG_ATTRIBUTES
from qa.tree import PAGES

DATA = {"corpus.yml", "terms.yml", "comparison.yml", "changes.yml", "facts.yml"}
"""Files of records, at the top of docs/; they are not published."""
PICTURES = {".svg", ".webp", ".png", ".jpg", ".jpeg", ".gif", ".avif", ".ico", ".woff2"}
DECODED = {".webp": "WEBP", ".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".gif": "GIF"}
RUN = {".css", ".js"}
NAMED_IN = ("mkdocs.yml", "overrides/**/*.html")
VENDOR = "vendor/"
"""The folder of docs/ into which the build puts the browser's libraries."""
SVG_TAGS = {*SVG_ATTRIBUTES, "title", "desc", "ellipse", "line", "polyline", "polygon", "symbol"}
SVG_TAGS |= {"radialGradient", "marker", "mask"}
PROLOG = "<?xml"


def check(docs: Path, memo: Memo | None = None) -> Iterator[Failure]:
    """All files below `docs` but pages; each picture is decoded once."""
    named = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for pattern in NAMED_IN
        for path in sorted(docs.parent.glob(pattern))
    )
    for path in files.below(docs, "**/*"):
        name, suffix = path.relative_to(docs).as_posix(), path.suffix.lower()
        if name in DATA or suffix in PAGES:
            continue  # see qa.tree
        if suffix in RUN:
            if name not in named and not name.startswith(VENDOR):
                reason = "neither mkdocs.yml nor a file of overrides/ names this script or style"
                yield Failure(path, 1, reason, code="asset-unnamed")
        elif suffix not in PICTURES:
            reason = f"is of no kind that is published: {' '.join(sorted(PICTURES))}, or a page"
            yield Failure(path, 1, reason, code="asset-kind")
        elif suffix == ".svg":
            yield from _check_svg(path)
        elif suffix in DECODED:
            yield from _check_pixels(path, memo or Memo())


def _check_pixels(path: Path, memo: Memo) -> Iterator[Failure]:
    content, kind = path.read_bytes(), DECODED[path.suffix.lower()]
    digest = hashlib.sha256(content).hexdigest()
    if reason := memo.get(f"picture {kind}", digest, lambda: _fault_of_pixels(content, kind)):
        yield Failure(path, 1, reason, code="picture-broken")


def _fault_of_pixels(content: bytes, kind: str) -> str | None:
    try:
        with Image.open(io.BytesIO(content), formats=[kind]) as image:
            if image.width * image.height > MOST_PIXELS:
                return f"has {image.width} by {image.height} pixels, and may have {MOST_PIXELS}"
            image.load()
    except UnidentifiedImageError:
        return f"is no {kind}, which its name says it is"
    except Exception as error:  # whatever a decoder raises
        return f"is a broken picture: {error or type(error).__name__}"
    return None


def _check_svg(path: Path) -> Iterator[Failure]:
    """Shapes and text only: opened by itself, a browser would run all else."""
    text = path.read_text(encoding="utf-8", errors="replace")
    start = text.index("?>") + 2 if text.startswith(PROLOG) and "?>" in text else 0
    for match in TOKEN.finditer(text, start):
        reason = None
        if match["stray"]:
            reason = "holds what is no plain element of SVG (a document type, CDATA, a bare <)"
        elif match["tag"] and match["tag"] not in SVG_TAGS:
            reason = f"holds <{match['tag']}>, and may hold shapes and text only"
        elif match["tag"]:
            reason = _fault_of_attributes(match[0])
        if reason:
            line = text.count("\n", 0, match.start()) + 1
            yield Failure(path, line, reason, code="svg-unsafe")


def _fault_of_attributes(token: str) -> str | None:
    for attribute in ATTRIBUTE.finditer(token):
        name, value = attribute["name"].lower(), attribute["value"] or ""
        if name.startswith("on"):
            return f'holds a handler, "{name}"'
        inner = value.startswith(("#", "data:image/png;", "data:image/webp;", "data:image/jpeg;"))
        if name.rpartition(":")[2] in ("href", "src") and not inner:
            return f'names something outside the drawing: "{value}"'
        if "&" in value or "\\" in value or any(u[:1] != "#" for u in CSS_URL.findall(value)):
            return f'holds an address or a character by number: "{value}"'
    return None
