"""The move to another generator is proven: Zensical, which reads mkdocs.yml and passes over hooks,
makes the same site of the same project through the same package."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from lxml import html
from lxml.html import HtmlElement

from tests.project import ROOT, SampleProject

PAGES = tuple(
    f"{folder}index.html" for folder in ("", "changes/", "questions/", "terms/", "training/sum/")
)
FILES = [f"{root}{page}" for root in ("", "en/") for page in PAGES]
MISSING = ["404.html", "en/404.html"]
TERMS = """\
- zh: 总和
  en: total
  definition: {zh: 加起来的结果。, en: What a sum comes to.}
"""
ATTRIBUTES = ("id", "class", "href", "src", "alt", "title")
SETTINGS = """\
site_name: Sample
site_url: https://sample.example/qa/
site_author: Example
repo_url: https://git.example/x/y
extra: {license: CC-BY-4.0, version: abc}
"""
CHANGES = """\
- {date: "2026-02-01", id: more, zh: 更多, en: More, pages: [training/sum]}
- {date: "2026-01-01", id: first, zh: 第一, en: First, pages: [training/sum]}
"""


def zensical(sample: SampleProject) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qa.adapters.zensical"]
    environment = {key: value for key, value in os.environ.items() if key != "GITHUB_ACTIONS"}
    return subprocess.run(
        command, cwd=sample.root, env=environment, capture_output=True, text=True, timeout=300
    )


@pytest.fixture(scope="module")
def sites(
    built: SampleProject, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SampleProject, SampleProject]:
    """One project with terms and an address, built by MkDocs and by Zensical."""
    by_mkdocs = built.copy_to(tmp_path_factory.mktemp("sites") / "mkdocs")
    by_mkdocs.replace("mkdocs.yml", "site_name: Sample\n", SETTINGS)
    by_mkdocs.replace("mkdocs.yml", "/corpus.yml", '"/corpus.yml\\n/terms.yml\\n/changes.yml"')
    by_mkdocs.write("docs/terms.yml", TERMS)
    by_mkdocs.write("docs/changes.yml", CHANGES)
    icon = by_mkdocs.path("docs/assets/icon-192.png")
    icon.parent.mkdir()
    icon.write_bytes((ROOT / "docs/assets/icon-192.png").read_bytes())
    for language, title in (("zh", "术语"), ("en", "Terms")):
        by_mkdocs.write(f"docs/{language}/terms.md", f"# {title}\n\n``` terms\n```\n")
        page = f"docs/{language}/training/sum.md"
        by_mkdocs.replace(page, "sources: [A01]", "sources: [A01]\ntags: [total]")
        by_mkdocs.write(f"docs/{language}/changes.md", f"# {title}\n\n``` changes\n```\n")
    by_zensical = by_mkdocs.copy_to(by_mkdocs.root.with_name("zensical"))
    for done in (by_mkdocs.build(), zensical(by_zensical)):
        assert done.returncode == 0, done.stdout + done.stderr
    return by_mkdocs, by_zensical


def page_of(sample: SampleProject, file: str) -> HtmlElement:
    return html.parse(sample.root / "site" / file).getroot()


def plain(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize("file", FILES)
def test_the_article_is_the_same(sites: tuple[SampleProject, SampleProject], file: str) -> None:
    def article(sample: SampleProject) -> tuple[str, list[tuple[str, ...]]]:
        found = page_of(sample, file).find(".//article")
        parts = [
            (
                element.tag,
                *(element.get(name, "") for name in ("id", "class", "href", "src", "alt")),
            )
            for element in found.iter()
            if element.get("id") != "__skip"
        ]
        return plain(found.text_content()), parts[1:]

    one, other = map(article, sites)
    assert one == other


@pytest.mark.parametrize("file", [*FILES, *MISSING])
def test_languages_and_switch_are_the_same(
    sites: tuple[SampleProject, SampleProject], file: str
) -> None:
    def languages(sample: SampleProject) -> list[tuple[str, ...]]:
        names = ("rel", "href", "hreflang", "lang")
        found = page_of(sample, file).xpath("//*[@hreflang]")
        return [(e.tag, *(e.get(name, "") for name in names)) for e in found]

    one, other = map(languages, sites)
    assert one and one == other


@pytest.mark.parametrize("file", [*FILES, *MISSING])
def test_the_policy_is_as_strict(sites: tuple[SampleProject, SampleProject], file: str) -> None:
    def policy(sample: SampleProject) -> tuple[str, int, int]:
        page = page_of(sample, file)
        text = page.xpath("string(//meta[@http-equiv='Content-Security-Policy']/@content)")
        inline = {script.text for script in page.xpath("//script[not(@src) and not(@type)]")}
        return re.sub(r" 'sha256-[^']*'", "", text), text.count("sha256-"), len(inline)

    (one, digests, inline), (other, theirs, their_inline) = map(policy, sites)
    assert one == other and "script-src 'self'" in one
    assert digests == inline and theirs == their_inline


@pytest.mark.parametrize("root", ["", "en/"])
def test_the_index_is_the_same(sites: tuple[SampleProject, SampleProject], root: str) -> None:
    def index(sample: SampleProject) -> Any:
        text = (sample.root / "site" / root / "search/index.js").read_text(encoding="utf-8")
        return json.loads(text.removeprefix("window.searchIndex = "))

    one, other = map(index, sites)
    assert len([each for each in one["documents"] if "address" in each]) == len(PAGES)
    assert one == other


def test_terms_are_explained(sites: tuple[SampleProject, SampleProject]) -> None:
    for sample in sites:
        for file in ("training/sum/index.html", "en/training/sum/index.html"):
            (term,) = page_of(sample, file).find_class("qa-term")
            assert term.get("href") == "../../terms/#total" and term.get("title")


def test_sitemaps_are_the_same(sites: tuple[SampleProject, SampleProject]) -> None:
    one, other = ((sample.root / "site/sitemap.xml").read_text() for sample in sites)
    assert one == other and one.count("<loc>") == len(FILES)
    assert "<lastmod>2026-02-01</lastmod>" in one


@pytest.mark.parametrize("file", [*FILES, *MISSING])
def test_what_machines_read_and_who_stands_behind_it_are_the_same(
    sites: tuple[SampleProject, SampleProject], file: str
) -> None:
    def said(sample: SampleProject) -> list[str]:
        page = page_of(sample, file)
        found = page.xpath("//meta[@property or starts-with(@name, 'twitter:')]")
        found += page.xpath("//script[@type='application/ld+json']")
        found += page.xpath("//link[@type='text/markdown']")
        return [html.tostring(each).decode() for each in found + page.find_class("qa-imprint")]

    one, other = map(said, sites)
    assert one == other and "Example" in one[-1]


def test_texts_cards_feeds_and_manifests_are_the_same(
    sites: tuple[SampleProject, SampleProject],
) -> None:
    def made(sample: SampleProject) -> dict[str, bytes]:
        site = sample.root / "site"
        patterns = ("*.md", "*.txt", "*.webmanifest", "feed.xml", "cards/**/*.png")
        found = [path for pattern in patterns for path in site.rglob(pattern)]
        return {path.relative_to(site).as_posix(): path.read_bytes() for path in found}

    one, other = map(made, sites)
    assert one == other
    assert {"robots.txt", "en/llms.txt", "manifest.webmanifest", "cards/en/index.png"} <= one.keys()
    assert b"<summary>" in one["feed.xml"] and b"/training/sum/</id>" in one["en/feed.xml"]


def test_the_sites_hold_the_same_files_but_the_themes_own(
    sites: tuple[SampleProject, SampleProject],
) -> None:
    def names(sample: SampleProject) -> set[str]:
        site = sample.root / "site"
        found = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
        return {name for name in found if not name.removeprefix("en/").startswith("assets/")}

    one, other = map(names, sites)
    assert one == other


def test_a_fault_leaves_the_last_good_site(
    sites: tuple[SampleProject, SampleProject], tmp_path: Path
) -> None:
    sample = sites[1].copy_to(tmp_path / "project")
    before = (sample.root / "site/index.html").read_bytes()
    page = "docs/en/training/sum.md"
    line = sample.replace(page, "{ #end }", "{ #end }\n\n[lost](nowhere.md)")
    done = zensical(sample)
    assert done.returncode == 1
    assert f"{page}:{line + 2}: broken link" in done.stderr
    assert (sample.root / "site/index.html").read_bytes() == before
    assert not list(sample.root.glob(".site*"))
