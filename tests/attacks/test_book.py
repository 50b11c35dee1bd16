"""What an e-book embeds lies below the site that it is made of."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
from PIL import Image

from qa.failures import Failures
from qa.offline import epub
from qa.offline.book import Book
from qa.offline.edition import Edition

SECRET = "a-token-of-the-builder"


def book(folder: Path, inside: str) -> str:
    """All that the book holds, made of one page with `inside` on it."""
    site = folder / "site"
    (site / "en/training").mkdir(parents=True)
    (site / "plot.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"><!--mine--></svg>')
    (site / "broken.webp").write_bytes(b"RIFF\0\0\0\0WEBP")
    (folder / "secret.svg").write_text(f"<svg><!--{SECRET}--></svg>")
    page = f"<!doctype html><body><article><h1>T</h1>{inside}</article></body>"
    (site / "en/training/sum.html").write_text(page)
    made = Book("T", "en", site, site / "en", ("training/sum",), "")
    chapters = made.chapters(folder / "work")
    Image.new("RGB", (1, 1)).save(folder / "cover.png")
    edition = Edition("en", "2026-01-31", 1)
    epub.write(edition, chapters, folder / "cover.png", folder / "x.epub", folder / "work")
    with zipfile.ZipFile(folder / "x.epub") as archive:
        return "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


def test_a_picture_of_the_site(tmp_path: Path) -> None:
    assert "<!--mine-->" in book(tmp_path, '<img src="../../plot.svg#only-light" alt="x">')


@pytest.mark.parametrize(
    "source",
    [
        "../../../secret.svg",
        "x:/../../../../secret.svg",
        "../../%2e%2e/secret.svg",
        "{}/secret.svg",
        "file://{}/secret.svg",
        "https://example.com/secret.svg",
        "data:image/svg+xml,x",
        "",
        "../../nowhere.svg",
        "../../broken.webp",
        "..",
    ],
)
def test_any_other_picture_is_refused(tmp_path: Path, source: str) -> None:
    with pytest.raises(Failures) as caught:
        book(tmp_path, f'<img src="{source.format(tmp_path)}" alt="x">')
    (failure,) = caught.value.failures
    assert failure.code in ("picture-elsewhere", "picture-broken")
    assert failure.path == tmp_path / "site/en/training/sum.html"


@pytest.mark.parametrize(
    "element",
    [
        '<iframe src="{}"></iframe>',
        '<video src="{}" poster="{}"></video>',
        '<audio controls><source src="{}"></audio>',
        '<object data="{}"></object>',
        '<embed src="{}">',
        '<picture><source srcset="{}"></picture>',
        '<link rel="stylesheet" href="{}">',
        '<p style="background: url({})">x</p>',
        '<input type="image" src="{}">',
        '<svg><image href="{}"/></svg>',
    ],
)
def test_no_other_element_embeds_a_file(tmp_path: Path, element: str) -> None:
    path = str(tmp_path / "secret.svg")
    assert SECRET not in book(tmp_path, element.format(path, path))
