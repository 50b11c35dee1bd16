"""A PDF, set by Typst, from the chapters of a book."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import typst

from qa.drawing.printed import FONTS
from qa.files import path_below
from qa.offline import pandoc
from qa.offline.edition import Edition
from qa.words import WORDS

TEMPLATE = Path(__file__).with_name("book.typ")
BOXES = Path(__file__).with_name("boxes.lua")
COVER = Path(__file__).with_name("cover.typ")


def draw_cover(edition: Edition, target: Path, work: Path) -> None:
    """A picture of 1,600 by 2,560 pixels."""
    _lay_out(edition, work)
    typst.compile(
        path_below(work, COVER.name), output=target, format="png", ppi=72, font_paths=[FONTS]
    )


def write(edition: Edition, chapters: str, target: Path, work: Path) -> None:
    """`chapters` is HTML with pictures below `work`. Raises CalledProcessError if pandoc fails, and
    TypstError."""
    _lay_out(edition, work)
    boxes = f"--lua-filter={BOXES}"
    text = pandoc.convert(edition.preface + chapters, work, "--to=typst", "--wrap=none", boxes)
    text = TEMPLATE.read_text(encoding="utf-8") + text
    path_below(work, TEMPLATE.name).write_text(text, encoding="utf-8")
    typst.compile(work / TEMPLATE.name, root=work, output=target, font_paths=[FONTS])


def _lay_out(edition: Edition, work: Path) -> None:
    words = WORDS[edition.language]
    card = {
        "title": edition.title,
        "subtitle": words.book,
        "date": edition.date,
        "author": edition.author,
        "language": edition.language,
        "contents": words.contents,
    }
    path_below(work, "edition.json").write_text(json.dumps(card), encoding="utf-8")
    shutil.copyfile(COVER, path_below(work, COVER.name))
