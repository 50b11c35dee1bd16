"""The files of a site beside its pages: figures, executed notebooks, downloads, feeds, and what
programs read."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from qa import LANGUAGES, root_of
from qa.failures import Failure
from qa.files import path_below, write_zip
from qa.pages import feed, index_for_programs
from qa.pages.annotated import annotated, requirements
from qa.pages.cells import runs_folder
from qa.pages.feed import Entry
from qa.pages.figures import figure_files
from qa.pages.lists import DOWNLOADS_FOLDER
from qa.pages.page import Page
from qa.rendering import plain_page
from qa.run.notebook import Notebook
from qa.run.store import Result
from qa.site import Site
from qa.words import WORDS

ICONS = {name: f"assets/icon-{name}.png" for name in (192, 512)}
"""By their width in pixels; a site that has none of them has no manifest."""
MADE = re.compile(
    rf"(?:(?:{'|'.join(LANGUAGES[1:])})/)?"
    r"(?:(?:runs|downloads|search|cards)/.*|(?:feed|sitemap)\.xml|sitemap\.xml\.gz|404\.html"
    r"|robots\.txt|llms\.txt|manifest\.webmanifest)",
    re.IGNORECASE,
)
"""Paths in the site of what the build makes."""


REQUIREMENTS = runs_folder("requirements.txt")
"""What all examples ran with."""


def address_faults(files: Iterable[tuple[Path, str]], seen: dict[str, Path]) -> Iterator[Failure]:
    """Of files and the paths that they will have in the site: two with one path, as some systems
    see it, and one that the build gives to a file of its own. `seen` are those of other languages.
    """
    for path, address in files:
        other = seen.setdefault(address.lower(), path)
        if MADE.fullmatch(address):
            reason = f"its address, {address}, is one of a file that the build makes"
        elif other != path:
            reason = f"has the same address as {other.name}: {address}"
        else:
            continue
        yield Failure(path, 1, reason, code="address")


def write(site: Site, target: Path, address: str) -> None:
    """Into the folder `target`; `address` is that of the site's root, if known."""
    for name, result in site.results.items():
        told = annotated(site.notebooks[name], site.pages[name].values(), result)
        _write_run(target, runs_folder(name), told, result)
        for page in site.pages[name].values():
            _write_figures(target, page, result)
    needs = "\n".join(requirements(site.results.values()))
    path_below(target, REQUIREMENTS).write_text(f"{needs}\n", encoding="utf-8")
    for file in site.downloads:
        shutil.copyfile(file, path_below(target, f"{DOWNLOADS_FOLDER}/{file.name}"))
    robots = f"User-agent: *\nAllow: /\n\nSitemap: {address.rstrip('/')}/sitemap.xml\n"
    if address:
        path_below(target, "robots.txt").write_text(robots, encoding="utf-8")
    for language in LANGUAGES:
        _write_texts(site, target, language, address)
        if address:
            _write_feed(site, target, language, address)
            _write_manifest(target, language)


def _write_run(target: Path, folder: str, notebook: Notebook, result: Result) -> None:
    """The executed notebook, where the rendered page expects it."""
    executed = notebook.as_ipynb({name: ran.outputs for name, ran in result.cells.items()})
    path_below(target, f"{folder}/{notebook.pair.name}").write_text(executed, encoding="utf-8")
    if notebook.files:
        contents = {notebook.pair.name: executed.encode()}
        contents |= {name: file.content for name, file in notebook.files.items()}
        name = f"{folder}/{notebook.path.stem}.zip"
        write_zip(path_below(target, name), contents.items())


def _write_figures(target: Path, page: Page, result: Result) -> None:
    """In the page's language, where the rendered page expects them."""
    for cell, ran in result.cells.items():
        for file in figure_files(cell, ran, page.labels):
            path = path_below(target, f"{runs_folder(page.name)}/{file.name}")
            path.write_bytes(file.content)


def _write_texts(site: Site, target: Path, language: str, address: str) -> None:
    """Each page as Markdown, and the list of them."""
    root = root_of(language)
    for name, versions in site.pages.items():
        if page := versions.get(language):
            to_root = "../" * f"{root}{name}".count("/")
            text = plain_page(site, page, to_root)
            path_below(target, f"{root}{name}.md").write_text(text, encoding="utf-8")
    base = address and f"{address.rstrip('/')}/{root}"
    text = index_for_programs.write(site.pages, language, base)
    path_below(target, f"{root}llms.txt").write_text(text, encoding="utf-8")


def _write_feed(site: Site, target: Path, language: str, address: str) -> None:
    """Of what has changed, and of the answers."""
    listed = site.page_with("changes")
    if not listed:
        return
    here = f"{address.rstrip('/')}/{root_of(language)}"
    entries = [
        Entry(f"{here}{listed}/#{each.id}", each.text[language], each.date, each.date)
        for each in site.changes.entries
    ]
    for name, versions in site.pages.items():
        page, dates = versions.get(language), site.changes.dates(name)
        if page and page.sources and dates:
            summary = page.meta.get("description", "")
            entries.append(Entry(f"{here}{name}/", page.title, dates[1], dates[0], summary))
    text = feed.write(entries, language, f"{here}feed.xml", f"{here}{listed}/")
    path_below(target, f"{root_of(language)}feed.xml").write_text(text, encoding="utf-8")


def _write_manifest(target: Path, language: str) -> None:
    """What a phone needs to know that keeps the site on its first screen (W3C)."""
    root = root_of(language)
    to_root = "../" * root.count("/")
    manifest = {
        "name": WORDS[language].site,
        "short_name": WORDS[language].site_in_short,
        "lang": language,
        "start_url": "./",
        "scope": "./",
        "display": "minimal-ui",
        "theme_color": "#4051b5",
        "background_color": "#ffffff",
        "icons": [
            {"src": f"{to_root}{file}", "sizes": f"{size}x{size}", "type": "image/png"}
            for size, file in ICONS.items()
            if (target / file).exists()
        ],
    }
    if manifest["icons"]:
        text = json.dumps(manifest, ensure_ascii=False, indent=1) + "\n"
        path_below(target, f"{root}manifest.webmanifest").write_text(text, encoding="utf-8")
