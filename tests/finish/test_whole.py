"""Finishing a folder of built HTML, whoever built it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from qa.drawing.drawings import Drawings
from qa.finish.built import BuiltSite, Language, Subject
from qa.finish.terms import Term
from qa.finish.whole import finish
from qa.memo import Memo

PAGE = """<!doctype html><html><head><meta charset="utf-8"></head><body>
<a href="/" hreflang="zh" class="md-select__link">中文</a>
<a href="/en/" hreflang="en" class="md-select__link">English</a>
<article class="x">{article}</article></body></html>"""
SOURCE = Path("docs/zh/a/b.md")
ADDRESS = "https://site.example/qa/"


def language(name: str, root: str, **subjects: Subject) -> Language:
    pages = {"a/b": Subject(SOURCE, about="关于", explains=True), "terms": Subject(SOURCE)}
    return Language(name, root, pages | subjects, {"cache": Term(("cache",), "D")}, "terms")


def site(
    folder: Path, files: dict[str, str], address: str = ADDRESS, served: bool = True
) -> BuiltSite:
    for name, article in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(PAGE.format(article=article), encoding="utf-8")
    languages = [language("zh", ""), language("en", "en/")]
    return BuiltSite(folder, languages, address, served)


def index_of(folder: Path) -> Any:
    text = (folder / "search/index.js").read_text(encoding="utf-8")
    return json.loads(text.removeprefix("window.searchIndex = "))


def pages_in(index: Any) -> list[dict[str, object]]:
    return [each for each in index["documents"] if "address" in each]


FILES = {
    "a/b/index.html": '<h1 id="t">标题</h1><p>cache</p>',
    "terms/index.html": "<h1>T</h1><p>cache</p>",
    "en/a/b/index.html": "<h1>Title</h1>",
    "english.html": "<h1>No page</h1>",
    "404.html": "cache",
    "en/404.html": "missing",
}


def test_each_page_leads_to_its_other_language(tmp_path: Path) -> None:
    assert not finish(site(tmp_path, FILES), Memo(), Drawings())
    html = (tmp_path / "a/b/index.html").read_text(encoding="utf-8")
    assert re.findall(r'hreflang="(\S+)"(?: class="md-select__link" lang="\S+")?>', html) == [
        "zh",
        "en",
        "x-default",
        "zh",
        "en",
    ]
    assert f'href="{ADDRESS}en/a/b/" hreflang="en">' in html
    assert f'href="{ADDRESS}a/b/" hreflang="x-default">' in html
    assert '<a href="../../en/a/b/" hreflang="en"' in html
    # A page that the other language lacks leads to its home.
    terms = (tmp_path / "terms/index.html").read_text(encoding="utf-8")
    assert '<a href="../en/" hreflang="en"' in terms and f'"{ADDRESS}en/' not in terms


def test_a_page_for_missing_ones_leads_home_from_any_address(tmp_path: Path) -> None:
    assert not finish(site(tmp_path, FILES), Memo(), Drawings())
    for name in ("404.html", "en/404.html"):
        html = (tmp_path / name).read_text(encoding="utf-8")
        assert "alternate" not in html and "qa-term" not in html
        assert '<a href="/qa/en/" hreflang="en"' in html and '<a href="/qa/" hreflang="zh"' in html


def test_terms_are_explained_on_answers_only(tmp_path: Path) -> None:
    assert not finish(site(tmp_path, FILES), Memo(), Drawings())
    html = (tmp_path / "a/b/index.html").read_text(encoding="utf-8")
    assert 'href="../../terms/#cache" title="D">cache</a>' in html
    assert "qa-term" not in (tmp_path / "terms/index.html").read_text(encoding="utf-8")


def test_each_page_has_a_policy(tmp_path: Path) -> None:
    finish(site(tmp_path, FILES), Memo(), Drawings())
    for path in tmp_path.rglob("*.html"):
        assert path.read_text(encoding="utf-8").count("Content-Security-Policy") == 1, path


def test_each_language_has_an_index_of_its_own_pages(tmp_path: Path) -> None:
    finish(site(tmp_path, FILES), Memo(tmp_path / "memo"), Drawings())
    chinese, english = index_of(tmp_path), index_of(tmp_path / "en")
    assert chinese["documents"] == [
        {"address": "a/b/", "title": "标题", "boost": 1},
        {"anchor": "", "title": "标题"},
        {"address": "terms/", "title": "T", "boost": 1},
        {"anchor": "", "title": "T"},
    ]
    # Fields: 0 to 2 of the first page, 3 to 5 of its section, and so on.
    assert chinese["terms"] == "cache t 关于 标题"
    assert chinese["postings"] == "4,6\n6,3\n1\n0,3"
    assert chinese["lengths"] == [1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 1, 0]
    texts = (tmp_path / "search/texts.js").read_text(encoding="utf-8")
    assert json.loads(texts.removeprefix("window.searchTexts = ")) == ["", "cache", "", "cache"]
    assert [page["address"] for page in pages_in(english)] == ["a/b/"]


def test_a_page_that_is_not_to_be_found_is_in_no_index_and_no_sitemap(tmp_path: Path) -> None:
    built = site(tmp_path, FILES)
    hidden = language("zh", "", terms=Subject(SOURCE, is_found=False))
    finish(BuiltSite(tmp_path, [hidden, built.languages[1]], ADDRESS, True), Memo(), Drawings())
    assert [page["address"] for page in pages_in(index_of(tmp_path))] == ["a/b/"]
    locations = re.findall("<loc>(.*)</loc>", (tmp_path / "sitemap.xml").read_text())
    assert locations == [f"{ADDRESS}a/b/", f"{ADDRESS}en/a/b/"]


def test_a_folder_without_a_server_names_every_file(tmp_path: Path) -> None:
    files = {"a/b.html": "<p>cache</p>", "terms.html": "T", "en/a/b.html": "E", "index.html": "I"}
    finish(site(tmp_path, files, address="", served=False), Memo(), Drawings())
    html = (tmp_path / "a/b.html").read_text(encoding="utf-8")
    assert '<a href="../en/a/b.html" hreflang="en"' in html
    assert 'rel="alternate " href="../en/a/b.html"' in html
    assert 'href="../terms.html#cache"' in html
    terms = (tmp_path / "terms.html").read_text(encoding="utf-8")
    assert '<a href="en/index.html" hreflang="en"' in terms
    assert pages_in(index_of(tmp_path))[0]["address"] == "a/b.html"
    assert not (tmp_path / "sitemap.xml").exists()


@pytest.mark.parametrize("script", ["<script>one()</script>", "<SCRIPT >one()</SCRIPT>"])
def test_a_script_in_an_article_is_a_fault_and_is_not_blessed(tmp_path: Path, script: str) -> None:
    failures = finish(site(tmp_path, {"a/b/index.html": script}), Memo(), Drawings())
    assert [(fault.path, fault.code) for fault in failures] == [(SOURCE, "script-on-page")]
    assert "sha256-" not in (tmp_path / "a/b/index.html").read_text(encoding="utf-8")


def test_a_page_without_a_charset_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "raw.html").write_text("<html></html>")
    assert [fault.code for fault in finish(site(tmp_path, {}), Memo(), Drawings())] == [
        "page-without-charset"
    ]


def test_languages_in_folders_of_their_own(tmp_path: Path) -> None:
    site(tmp_path, {"zh/a/b/index.html": "<h1>A</h1>", "en/a/b/index.html": "B", "404.html": "M"})
    languages = [language("zh", "zh/"), language("en", "en/")]
    assert not finish(BuiltSite(tmp_path, languages, ADDRESS, True), Memo(), Drawings())
    html = (tmp_path / "zh/a/b/index.html").read_text(encoding="utf-8")
    assert '<a href="../../../en/a/b/" hreflang="en"' in html
    assert '<a href="/qa/zh/" hreflang="zh"' in (tmp_path / "404.html").read_text(encoding="utf-8")
