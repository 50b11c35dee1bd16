"""One search index a language: MkDocs writes a single one that mixes the words of all.

Each language has its own settings: Chinese words are separated by the zero-width spaces that the
search plugin puts between them, English ones by punctuation.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from qa import LANGUAGES

SETTINGS: dict[str, dict[str, Any]] = {
    "zh": {
        "lang": ["zh"],
        "separator": r"[\s\u200b\u3000\-、。，．？！；：（）《》“”]+",
        "pipeline": [],
    },
    "en": {
        "lang": ["en"],
        "separator": r"[\s\u200b\-,:;!?=\[\]()\"“”/]+|\.(?!\d)",
        "pipeline": ["stopWordFilter"],
    },
}
BASE = re.compile(r'("base": ?")([^"]*)(")')


def split_by_language(site: Path) -> None:
    """Replace the mixed index by one in the root of each language."""
    path = site / "search" / "search_index.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    default, *others = LANGUAGES
    for language in LANGUAGES:
        prefix = "" if language == default else f"{language}/"
        foreign = tuple(f"{other}/" for other in others if other != language)
        documents = [
            document | {"location": document["location"][len(prefix) :]}
            for document in index["docs"]
            if document["location"].startswith(prefix or "")
            and not document["location"].startswith(foreign)
        ]
        target = site / prefix / "search" / "search_index.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        config = index["config"] | SETTINGS[language]
        text = json.dumps({"config": config, "docs": documents}, ensure_ascii=False)
        target.write_text(text, encoding="utf-8")


def with_own_base(html: str, url: str) -> str:
    """Let the search of a page at `url` begin in the root of the page's language."""
    if url.partition("/")[0] not in LANGUAGES[1:]:
        return html
    return BASE.sub(
        lambda base: base[1] + (base[2].removesuffix("..").rstrip("/") or ".") + base[3],
        html,
        count=1,
    )
