"""Make what readers take along, from the site that stands in the first folder, in the second."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config import load_config

from qa import LANGUAGES, TITLES, browser, root_of
from qa.offline import archives, drawings
from qa.offline.book import Book

NAME = "large-model-qa"
NOT_IN_BOOKS = ("index", "about/", "contributing/", "questions/")


def main(site: Path, target: Path) -> int:
    chromium = browser.find()
    if chromium is None:
        print("no Chromium to draw the diagrams of the books with: run python -m qa.browser")
        return 1
    site = site.resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    archives.site(site, target / f"{NAME}-site.zip", NAME)
    archives.examples(site / "runs", target / f"{NAME}-examples.zip", f"{NAME}-examples")
    config = load_config("mkdocs.yml")
    names = [name for name in _names(config.nav) if not name.startswith(NOT_IN_BOOKS)]
    with tempfile.TemporaryDirectory() as folder:
        for language in LANGUAGES:
            root = site / root_of(language)
            pages = [root / f"{name}.html" for name in names]
            drawn = drawings.draw(pages, Path(folder, language, "drawings"), chromium)
            hosted = config.site_url if "127.0.0.1" not in (config.site_url or "") else ""
            book = Book(TITLES[language], language, root, tuple(names), drawn, hosted or "")
            book.write(target / f"{NAME}-{language}.epub", Path(folder, language))
    for file in sorted(target.iterdir()):
        print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    return 0


def _names(nav: Any) -> Iterator[str]:
    """Of all pages of a navigation, in its order."""
    for entry in nav:
        target = next(iter(entry.values())) if isinstance(entry, dict) else entry
        if isinstance(target, list):
            yield from _names(target)
        else:
            yield target.removesuffix(".md")


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
