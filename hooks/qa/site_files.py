"""The files of a site beside its pages: figures, executed notebooks and downloads."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from qa import LANGUAGES
from qa.failures import Failure
from qa.files import path_below, write_zip
from qa.pages.annotated import annotated, requirements
from qa.pages.cells import runs_folder
from qa.pages.figures import figure_files
from qa.pages.lists import DOWNLOADS_FOLDER
from qa.pages.page import Page
from qa.run.notebook import Notebook
from qa.run.store import Result
from qa.site import Site

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


def write(site: Site, target: Path) -> None:
    """Into the folder `target`."""
    for name, result in site.results.items():
        told = annotated(site.notebooks[name], site.pages[name].values(), result, site.facts.values)
        _write_run(target, runs_folder(name), told, result)
        for page in site.pages[name].values():
            _write_figures(target, page, result)
    needs = "\n".join(requirements(site.results.values()))
    path_below(target, REQUIREMENTS).write_text(f"{needs}\n", encoding="utf-8")
    for file in site.downloads:
        shutil.copyfile(file, path_below(target, f"{DOWNLOADS_FOLDER}/{file.name}"))


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
            path_below(target, f"{runs_folder(page.name)}/{file.name}").write_bytes(file.content)
