"""What programs read of a site: its pages as Markdown and a list of them, feeds, and what browsers
and search engines look for."""

from __future__ import annotations

import json
from pathlib import Path

from qa import LANGUAGES, root_of
from qa.files import path_below
from qa.pages import feed, index_for_programs
from qa.pages.feed import Entry
from qa.rendering import plain_page
from qa.site import Site
from qa.words import WORDS

ICONS = {name: f"assets/icon-{name}.png" for name in (192, 512)}
"""By their width in pixels; a site that has none of them has no manifest."""


def write(site: Site, target: Path, address: str) -> None:
    """Into the folder `target`; `address` is that of the site's root, if known."""
    if address:
        robots = f"User-agent: *\nAllow: /\n\nSitemap: {address.rstrip('/')}/sitemap.xml\n"
        path_below(target, "robots.txt").write_text(robots, encoding="utf-8")
    for language in LANGUAGES:
        _write_texts(site, target, language, address)
        if address:
            _write_feed(site, target, language, address)
            _write_manifest(target, language)


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
