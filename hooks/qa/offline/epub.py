"""An e-book (EPUB 3) from the chapters of a book."""

from __future__ import annotations

import uuid
from pathlib import Path

from qa.files import path_below
from qa.offline import pandoc
from qa.offline.edition import Edition

STYLE = """\
pre { font-size: 0.75em; white-space: pre-wrap; overflow-wrap: anywhere; padding: 0.4em; }
pre { background: #f3f3f3; }
.qa-output pre { background: none; border-left: 0.2em solid #4051b5; }
.abstract { border: 0.1em solid #4051b5; padding: 0 0.8em; margin: 1em 0; }
.details:not(.qa-code) { border-left: 0.1em solid #999; padding-left: 0.8em; }
.admonition-title, .summary { font-weight: bold; }
.qa-caption, .qa-run, .qa-about { font-size: 0.85em; color: #555; }
table { border-collapse: collapse; font-size: 0.85em; }
td, th { border: 1px solid #999; padding: 0.2em 0.5em; }
img { max-width: 100%; }
"""


def write(edition: Edition, chapters: str, cover: Path, target: Path, work: Path) -> None:
    """`chapters` is HTML. Raises CalledProcessError if pandoc fails."""
    path_below(work, "style.css").write_text(STYLE, encoding="utf-8")
    metadata = {
        "title": edition.title,
        # Pandoc knows the words of Chinese by its script.
        "lang": {"zh": "zh-Hans"}.get(edition.language, edition.language),
        "date": edition.date,
        "identifier": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, edition.title)}",
        "author": edition.author,
        "rights": edition.license,
    }
    pandoc.convert(
        edition.preface + chapters,
        work,
        "--to=epub3",
        f"--output={target.resolve()}",
        "--mathml",
        "--toc",
        "--toc-depth=3",
        "--split-level=2",
        "--css=style.css",
        f"--epub-cover-image={cover.resolve()}",
        *(f"--metadata={key}:{value}" for key, value in metadata.items() if value),
    )
