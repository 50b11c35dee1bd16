"""Make what readers take along, from the site that stands in the first folder, in the second."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from qa import LANGUAGES, root_of, tree
from qa.adapters.mkdocs import pages_in_order
from qa.failures import Failures
from qa.offline import archives
from qa.offline.book import Book
from qa.project import LARGEST_DOWNLOAD
from qa.words import WORDS

NAME = "large-model-qa"
NOT_IN_BOOKS = ("index", "about/", "contributing/", "questions/")


def main(site: Path, target: Path) -> int:
    if faults := list(tree.faults(target, LARGEST_DOWNLOAD)):
        raise Failures(faults)
    site = site.resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    archives.site(site, target / f"{NAME}-site.zip", NAME)
    archives.examples(site / "runs", target / f"{NAME}-examples.zip", f"{NAME}-examples")
    address, pages_of_site = pages_in_order(Path("mkdocs.yml"))
    names = tuple(name for name in pages_of_site if not name.startswith(NOT_IN_BOOKS))
    hosted = "" if "127.0.0.1" in address else address
    style = (site / "assets" / "diagrams.css").read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        for language in LANGUAGES:
            root = site / root_of(language)
            book = Book(WORDS[language].site, language, site, root, names, style, hosted)
            book.write(target / f"{NAME}-{language}.epub", Path(folder, language))
    for file in sorted(target.iterdir()):
        print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(*map(Path, sys.argv[1:])))
    except Failures as error:
        sys.exit(str(error))
