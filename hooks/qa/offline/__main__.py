"""Make what readers take along, from the site that stands in the first folder, in the second."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

from qa import LANGUAGES, root_of, tree, yaml_lines
from qa.adapters.mkdocs import read_settings
from qa.failures import Failures
from qa.offline import archives, epub, pdf
from qa.offline.book import Book
from qa.offline.edition import Edition
from qa.project import LARGEST_DOWNLOAD
from qa.words import WORDS

CHANGES = Path("docs/changes.yml")
NAME = "large-model-qa"
NOT_IN_BOOKS = ("index", "about/", "contributing/", "questions/")


def main(site: Path, target: Path) -> int:
    if faults := list(tree.faults(target, LARGEST_DOWNLOAD)):
        raise Failures(faults)
    site = site.resolve()
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    archives.site(site, target / f"{NAME}-site.zip", NAME)
    readme = "\n".join(WORDS[language].examples_readme for language in LANGUAGES)
    examples = f"{NAME}-examples"
    archives.examples(site / "runs", target / f"{examples}.zip", examples, readme)
    changes = yaml_lines.parse(CHANGES, CHANGES.read_text(encoding="utf-8"))
    date = max(change["date"] for change in changes)
    settings = read_settings(Path("mkdocs.yml"))
    names = tuple(name for name in settings.names if not name.startswith(NOT_IN_BOOKS))
    hosted = "" if "127.0.0.1" in settings.address else settings.address
    style = (site / "assets" / "diagrams.css").read_text(encoding="utf-8")
    for language in LANGUAGES:
        title = WORDS[language].site
        book = Book(title, language, site, site / root_of(language), names, style, hosted)
        answers = sum("/" in name and not name.endswith("/index") for name in names)
        edition = Edition(language, date, answers, hosted, settings.author, settings.license)
        with tempfile.TemporaryDirectory() as folder:
            _write_books(book, edition, target / f"{NAME}-{language}", Path(folder))
    for file in sorted(target.iterdir()):
        print(f"{file} ({file.stat().st_size / 1e6:.1f} MB)")
    return 0


def _write_books(book: Book, edition: Edition, target: Path, work: Path) -> None:
    chapters, cover = book.chapters(work), work / "cover.png"
    pdf.draw_cover(edition, cover, work)
    epub.write(edition, chapters, cover, target.with_suffix(".epub"), work)
    pdf.write(edition, chapters, target.with_suffix(".pdf"), work)


if __name__ == "__main__":
    try:
        sys.exit(main(*map(Path, sys.argv[1:])))
    except Failures as error:
        sys.exit(str(error))
