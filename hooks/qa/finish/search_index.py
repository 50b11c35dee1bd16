"""What readers search: one index a language, as a script, which also loads from a folder.

The search plugin gathers the sections of all pages of all languages; how words are found in them is
in docs/assets/search.js.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from pathlib import Path

from qa import LANGUAGES, root_of
from qa.files import path_below

TAG = re.compile(r"<[^>]+>")
SPACE = re.compile(r"\s+")


def write(site: Path, about: Mapping[str, Mapping[str, str]]) -> None:
    """Replace the plugin's index by one in the root of each language.

    `about` maps a language to what a page is about, by the page's name: words that readers may
    type and that need not stand on the page.
    """
    path = site / "search" / "search_index.json"
    documents = json.loads(path.read_text(encoding="utf-8"))["docs"]
    path.unlink()
    for language in LANGUAGES:
        prefix = root_of(language)
        foreign = tuple(f"{other}/" for other in LANGUAGES[1:] if other != language)
        own = [
            document | {"location": document["location"].removeprefix(prefix)}
            for document in documents
            if document["location"].startswith(prefix)
            and not document["location"].startswith(foreign)
        ]
        text = json.dumps(_index(own, about.get(language, {})), ensure_ascii=False)
        script = f"window.searchIndex = {text}\n"
        path_below(site, f"{prefix}search/index.js").write_text(script, encoding="utf-8")


def _index(documents: list[dict[str, str]], about: Mapping[str, str]) -> dict[str, list[object]]:
    """Pages, and sections that name their page by its number."""
    pages: list[object] = []
    sections: list[object] = []
    numbers: dict[str, int] = {}
    for document in documents:
        address, _, anchor = document["location"].partition("#")
        title = _plain(document["title"])
        if address not in numbers:
            numbers[address] = len(pages)
            name = re.sub(r"/?(index\.html)?$|\.html$", "", address)
            boost = document.get("boost", 1)
            pages.append(
                {"address": address, "title": title, "about": about.get(name, ""), "boost": boost}
            )
        section = {"page": numbers[address], "anchor": anchor, "title": title}
        sections.append(section | {"text": _plain(document["text"])})
    return {"pages": pages, "sections": sections}


def _plain(markup: str) -> str:
    return SPACE.sub(" ", html.unescape(TAG.sub(" ", markup))).strip()
