"""What readers search: one index a language, as a script, which also loads from a folder.

How words are found in it is in docs/assets/search.js.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qa.files import path_below
from qa.finish.built import Subject


@dataclass(frozen=True)
class Entry:
    """A page: its address from the root of its language, and its sections."""

    address: str
    subject: Subject
    sections: list[dict[str, str]]


def write(root: Path, entries: Iterable[Entry]) -> None:
    """Into the folder of a language: pages, and sections that name their page by its number."""
    pages: list[dict[str, object]] = []
    sections: list[dict[str, object]] = []
    for entry in entries:
        if entry.subject.is_found:
            sections += [{"page": len(pages), **section} for section in entry.sections]
            title, subject = entry.sections[0]["title"], entry.subject
            about = {"about": subject.about, "boost": subject.boost}
            pages.append({"address": entry.address, "title": title, **about})
    text = json.dumps({"pages": pages, "sections": sections}, ensure_ascii=False)
    script = f"window.searchIndex = {text}\n"
    path_below(root, "search/index.js").write_text(script, encoding="utf-8")
