"""The index of each language: its own pages, plain text, and what a page is about."""

from __future__ import annotations

import json
from pathlib import Path

from qa.finish import search_index


def test_each_language_has_its_own_pages_in_plain_text(tmp_path: Path) -> None:
    documents = [
        {"location": "a/b/", "title": "标题", "text": "<p>一 &amp; <code>二</code></p>"},
        {"location": "a/b/#run", "title": "<em>跑</em>", "text": ""},
        {"location": "en/", "title": "Home", "text": "h", "boost": 0.2},
        {"location": "en/a/b/", "title": "Title", "text": "x\n y"},
        {"location": "english/", "title": "也是中文", "text": ""},
    ]
    path = tmp_path / "search/search_index.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"config": {}, "docs": documents}))
    search_index.write(tmp_path, {"zh": {"a/b": "关于"}, "en": {"": "about"}})

    def read(name: str) -> dict[str, list[dict[str, object]]]:
        text = (tmp_path / name).read_text(encoding="utf-8")
        found: dict[str, list[dict[str, object]]]
        found = json.loads(text.removeprefix("window.searchIndex = "))
        return found

    chinese, english = read("search/index.js"), read("en/search/index.js")
    assert chinese["pages"] == [
        {"address": "a/b/", "title": "标题", "about": "关于", "boost": 1},
        {"address": "english/", "title": "也是中文", "about": "", "boost": 1},
    ]
    assert chinese["sections"][:2] == [
        {"page": 0, "anchor": "", "title": "标题", "text": "一 & 二"},
        {"page": 0, "anchor": "run", "title": "跑", "text": ""},
    ]
    assert english["pages"][0] == {"address": "", "title": "Home", "about": "about", "boost": 0.2}
    assert english["sections"][1]["text"] == "x y"
    assert not path.exists()
