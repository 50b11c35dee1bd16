"""A picture for each page, shown where the page is shared: its title, and of an answer the first
figure of its run, or else its first diagram."""

from __future__ import annotations

import base64
import json
import posixpath
import re
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any

from qa.drawing.printed import DIAGRAM, FONTS, standing_alone
from qa.files import path_below
from qa.finish.built import BuiltSite, Page
from qa.memo import Memo, digest_of
from qa.words import WORDS

TEMPLATE = Path(__file__).with_name("card.typ")
FOLDER = "cards"
STYLE = "assets/diagrams.css"
FIGURE = re.compile(r'<img src="([^"#]+)(?:#only-light)?"[^>]*>')
VIEW_BOX = re.compile(r'viewBox="\S+ \S+ (\S+) (\S+)"')
TALLEST = 0.8
"""Of a diagram's width: in a taller one no word could be read."""
COLOURS = 128


@dataclass(frozen=True)
class Picture:
    """`kind` is the end of the name that its file would have."""

    kind: str
    content: bytes


NO_PICTURE = Picture("", b"")


def picture_of(article: str, folder: Path, place: str, style: str) -> Picture:
    """What the article of the page in the file `place` of `folder` shows first. A diagram needs the
    `style` of the site's own."""
    for match in FIGURE.finditer(article):
        file = folder / posixpath.normpath(posixpath.join(posixpath.dirname(place), match[1]))
        if "runs" in file.parts and file.exists():
            return Picture(file.suffix[1:], file.read_bytes())
    for match in DIAGRAM.finditer(article):
        box = VIEW_BOX.search(match[1])
        if box and float(box[2]) <= TALLEST * float(box[1]):
            return Picture("svg", standing_alone(match[1], style).encode())
    return NO_PICTURE


class Cards:
    """Those of a site that has an address: without one nobody could fetch them."""

    def __init__(self, site: BuiltSite):
        self.site = site
        self.asked: list[tuple[Page, Picture]] = []
        style = site.folder / STYLE
        self.style = style.read_text(encoding="utf-8") if style.exists() else ""

    def add(self, page: Page, html: str) -> str:
        """The file in which the card of a page will be, or "" if it has none."""
        if not self.site.address or not page.subject or not page.subject.is_found:
            return ""
        picture = picture_of(html, self.site.folder, page.path, self.style)
        self.asked.append((page, picture if page.subject.explains else NO_PICTURE))
        return file_of(page)

    def write(self, memo: Memo) -> None:
        template = TEMPLATE.read_text(encoding="utf-8")
        # Other code of this package changes no card, and to draw them takes seconds.
        known = Memo(memo.folder, digest_of([Path(__file__), TEMPLATE]))

        def make(asked: tuple[Page, Picture]) -> None:
            page, picture = asked
            content = base64.b64encode(picture.content).decode()
            parts = (json.dumps(_said(page, picture)), content)
            made = known.get("card", "\0".join(parts), lambda: _drawn(template, page, picture))
            path_below(self.site.folder, file_of(page)).write_bytes(base64.b64decode(made))

        with ThreadPoolExecutor() as threads:
            list(threads.map(make, self.asked))


def file_of(page: Page) -> str:
    """From the site's root."""
    return f"{FOLDER}/{page.language.root}{page.name}.png"


def _said(page: Page, picture: Picture) -> dict[str, Any]:
    assert page.subject is not None
    return {
        "language": page.language.name,
        "site": WORDS[page.language.name].site,
        "theme": page.subject.theme,
        "title": page.subject.title,
        "description": page.subject.description,
        "picture": picture.kind and f"picture.{picture.kind}",
    }


def _drawn(template: str, page: Page, picture: Picture) -> str:
    """A PNG, in base64; without a picture that cannot be read."""
    # Slow to import.
    import typst
    from PIL import Image

    with tempfile.TemporaryDirectory() as name:
        folder, said = Path(name), json.dumps(_said(page, picture))
        main = path_below(folder, "card.typ")
        path_below(folder, main.name).write_text(template, encoding="utf-8")
        path_below(folder, "card.json").write_text(said, encoding="utf-8")
        if picture != NO_PICTURE:
            path_below(folder, f"picture.{picture.kind}").write_bytes(picture.content)
        try:
            png = typst.compile(str(main), format="png", ppi=72, font_paths=_fonts())
        except typst.TypstError:
            if picture == NO_PICTURE:
                raise
            return _drawn(template, page, NO_PICTURE)
    out = BytesIO()
    Image.open(BytesIO(png)).convert("RGB").quantize(COLOURS).save(out, "PNG", optimize=True)
    return base64.b64encode(out.getvalue()).decode()


@cache
def _fonts() -> Any:
    import typst

    # The fonts of figures. To import the package takes longer than to draw.
    found = find_spec("matplotlib")
    of_figures = Path(found.origin or "").parent / "mpl-data/fonts/ttf" if found else FONTS
    return typst.Fonts(font_paths=[str(FONTS), str(of_figures)])
