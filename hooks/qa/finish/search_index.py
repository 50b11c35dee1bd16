"""What readers search: one index a language, as a script, which also loads from a folder.

How words are found in it is in docs/assets/search.js.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qa.files import path_below


@dataclass(frozen=True)
class Entry:
    """A page: its address from the root of its language, words by which readers may look for it
    and that need not stand on it, how much it counts beside others, and its sections."""

    address: str
    about: str
    boost: float
    sections: list[dict[str, str]]


def write(root: Path, entries: Iterable[Entry]) -> None:
    """Into the folder of a language: pages, and sections that name their page by its number."""
    pages: list[Mapping[str, object]] = []
    sections: list[Mapping[str, object]] = []
    for entry in entries:
        sections += [{"page": len(pages), **section} for section in entry.sections]
        page = {"address": entry.address, "title": entry.sections[0]["title"]}
        pages.append(page | {"about": entry.about, "boost": entry.boost})
    text = json.dumps({"pages": pages, "sections": sections}, ensure_ascii=False)
    script = f"window.searchIndex = {text}\n"
    path_below(root, "search/index.js").write_text(script, encoding="utf-8")
