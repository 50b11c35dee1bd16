"""What a page says of itself to who shares or indexes it, and who stands behind it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from lxml import html

from qa.finish import imprint
from qa.finish.built import BuiltSite, Imprint, Language, Page, Subject
from qa.finish.head import with_head
from qa.finish.imprint import with_imprint
from qa.finish.policy import scripts_in

ADDRESS = "https://site.example/qa/"
TITLE = 'Is "<b>" & </script> safe?'
ANSWER = Subject(
    Path("x.md"),
    explains=True,
    title=TITLE,
    description="It is & was.",
    file="docs/en/a/b.md",
    dates=("2026-01-01", "2026-02-01"),
)
PAGE = "<html><head></head><body><footer>one</footer><footer>last</footer></body></html>"
OWNED = Imprint(
    "Example & Sons", "https://example.com/", "CC-BY-4.0", "https://cc.example/", "https://git/x/y"
)


def language(name: str, root: str) -> Language:
    return Language(name, root, {"a/b": ANSWER, "index": Subject(Path("i.md"))}, {}, None)


def site(folder: Path, address: str = ADDRESS, by: Imprint = OWNED) -> BuiltSite:
    for root in ("", "en/"):
        for file in ("a/b/index.html", "index.html", "404.html"):
            (folder / root / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / root / file).write_text(PAGE)
    return BuiltSite(folder, [language("zh", ""), language("en", "en/")], address, True, by)


def page_of(built: BuiltSite, path: str) -> Page:
    return next(page for page in built.pages if page.path == path)


def head(built: BuiltSite, path: str, card: str = "cards/en/a/b.png") -> tuple[dict[str, str], Any]:
    """The meta elements by name, and what stands in JSON-LD."""
    text = with_head(PAGE, built, page_of(built, path), card)
    assert not scripts_in(text), "nothing in it runs"
    found = html.fromstring(text)
    metas = {m.get("property") or m.get("name"): m.get("content") for m in found.iter("meta")}
    data = [json.loads(each.text) for each in found.xpath("//script")]
    return metas, data[0] if data else None


def test_an_answer_that_is_shared(tmp_path: Path) -> None:
    metas, data = head(site(tmp_path), "en/a/b/index.html")
    expected = {
        "og:type": "article",
        "og:title": TITLE,
        "og:description": "It is & was.",
        "og:url": f"{ADDRESS}en/a/b/",
        "og:image": f"{ADDRESS}cards/en/a/b.png",
        "og:locale": "en_US",
        "og:locale:alternate": "zh_CN",
        "article:published_time": "2026-01-01",
        "article:modified_time": "2026-02-01",
        "twitter:card": "summary_large_image",
    }
    assert metas.items() >= expected.items()
    assert data["@type"] == "TechArticle" and data["headline"] == TITLE
    assert (data["datePublished"], data["dateModified"]) == ("2026-01-01", "2026-02-01")
    assert data["inLanguage"] == "en" and data["url"] == f"{ADDRESS}en/a/b/"
    assert data["author"]["name"] == data["publisher"]["name"] == "Example & Sons"
    assert data["isPartOf"]["@type"] == "WebSite" and data["isPartOf"]["url"] == f"{ADDRESS}en/"


def test_the_home_page_is_the_site(tmp_path: Path) -> None:
    metas, data = head(site(tmp_path), "index.html")
    assert metas["og:type"] == "website" and "article:published_time" not in metas
    assert data["@type"] == "WebSite" and data["url"] == ADDRESS


def test_what_is_not_known_is_left_out(tmp_path: Path) -> None:
    built = site(tmp_path, address="", by=Imprint())
    metas, data = head(built, "a/b/index.html", card="")
    assert not {"og:url", "og:image"} & metas.keys() and metas["twitter:card"] == "summary"
    assert not {"url", "author", "publisher", "image", "license"} & data.keys()
    assert data["isPartOf"].keys() == {"@type", "name"}


def test_a_page_for_missing_ones_says_nothing(tmp_path: Path) -> None:
    assert head(site(tmp_path), "404.html") == ({}, None)


def links(built: BuiltSite, path: str) -> dict[str, str]:
    found = html.fromstring(with_imprint(PAGE, built, page_of(built, path)))
    footer = found.findall(".//footer")[-1]
    assert "qa-imprint" not in html.tostring(found.find(".//footer")).decode()
    return {a.text: a.get("href") for a in footer.iter("a")}


def test_who_stands_behind_it_is_at_the_foot(tmp_path: Path) -> None:
    found = links(site(tmp_path), "en/a/b/index.html")
    assert found["Example & Sons"] == "https://example.com/"
    assert found["CC-BY-4.0"] == "https://cc.example/"
    assert found["Source"] == "https://git/x/y"
    assert found["Edit this page"] == "https://git/x/y/edit/main/docs/en/a/b.md"


@pytest.mark.parametrize(
    ("repository", "start", "names"),
    [
        ("https://github.com/x/y", "https://github.com/x/y/issues/new", ("title", "body")),
        (
            "https://gitlab.example/x/y",
            "https://gitlab.example/x/y/-/issues/new",
            ("issue[title]", "issue[description]"),
        ),
    ],
)
@pytest.mark.parametrize(("version", "said"), [("abc123", "abc123"), ("", "2026-02-01")])
def test_a_report_says_page_language_and_version(
    tmp_path: Path, repository: str, start: str, names: tuple[str, str], version: str, said: str
) -> None:
    by = replace(OWNED, repository=repository, version=version)
    address = links(site(tmp_path, by=by), "en/a/b/index.html")["Report an error"]
    assert address.partition("?")[0] == start
    title, text = (parse_qs(urlsplit(address).query)[name][0] for name in names)
    assert TITLE in title
    for part in (f"{ADDRESS}en/a/b/", "Language: en", f"Version: {said}"):
        assert part in text


def test_a_missing_page_is_reported_and_not_edited(tmp_path: Path) -> None:
    found = links(site(tmp_path), "en/404.html")
    assert "Report an error" in found and "Edit this page" not in found


def test_without_settings_nothing_is_shown(tmp_path: Path) -> None:
    built = site(tmp_path, by=imprint.read({"extra": {"version": ""}, "repo_url": None}))
    assert with_imprint(PAGE, built, page_of(built, "index.html")) == PAGE


def test_settings_are_read() -> None:
    settings = {
        "site_author": "A",
        "repo_url": "https://git/x/y/",
        "extra": {"author_url": "u", "license": "L", "license_url": "l", "version": 7},
    }
    assert imprint.read(settings) == Imprint("A", "u", "L", "l", "https://git/x/y", "main", "7")
