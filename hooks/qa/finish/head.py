"""What a page says of itself to who shares it, follows it or indexes it: OpenGraph (ogp.me), the
same for Twitter, and JSON-LD (schema.org)."""

from __future__ import annotations

import html
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from qa.finish.addresses import address_of, relative
from qa.finish.built import BuiltSite, Page, Subject
from qa.words import WORDS

HOME = "index"
LOCALES = {"zh": "zh_CN", "en": "en_US"}
CARD_SIZE = (1200, 630)


def with_head(text: str, site: BuiltSite, page: Page, card: str = "") -> str:
    """`card` is the file of the page's picture, from the site's root, or empty."""
    if page.subject is None:
        return text
    tags = [_tag(*each) for each in _metas(site, page, page.subject, card)]
    markdown = f"{page.language.root}{page.name}.md"
    if (site.folder / markdown).exists():
        way = html.escape(relative(address_of(markdown, site.served), site.address_of(page)))
        tags.append(f'<link rel="alternate " type="text/markdown" href="{way}">')
    if data := _data(site, page, page.subject, card):
        # No text ends the element, whatever it holds.
        inside = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
        tags.append(f'<script type="application/ld+json">{inside}</script>')
    return text.replace("</head>", f"{''.join(tags)}</head>", 1)


def _tag(key: str, name: str, content: str) -> str:
    return f'<meta {key}="{name}" content="{html.escape(content)}">'


def _metas(
    site: BuiltSite, page: Page, subject: Subject, card: str
) -> Iterator[tuple[str, str, str]]:
    language = page.language.name
    yield "property", "og:type", "article" if subject.explains else "website"
    yield "property", "og:site_name", WORDS[language].site
    yield "property", "og:title", _title(page, subject)
    if subject.description:
        yield "property", "og:description", subject.description
    yield "property", "og:locale", LOCALES.get(language, language)
    for other in site.versions(page):
        if other != language:
            yield "property", "og:locale:alternate", LOCALES.get(other, other)
    if site.address:
        yield "property", "og:url", site.full_address_of(page)
    if subject.explains and subject.dates:
        yield "property", "article:published_time", subject.dates[0]
        yield "property", "article:modified_time", subject.dates[1]
    # Twitter takes what is not said here from the others.
    yield "name", "twitter:card", "summary_large_image" if card and site.address else "summary"
    if card and site.address:
        yield "property", "og:image", _address(site, card)
        yield "property", "og:image:width", str(CARD_SIZE[0])
        yield "property", "og:image:height", str(CARD_SIZE[1])
        yield "property", "og:image:alt", _title(page, subject)


def _title(page: Page, subject: Subject) -> str:
    return WORDS[page.language.name].site if page.name == HOME else subject.title


def _address(site: BuiltSite, file: str) -> str:
    return urljoin(site.address, address_of(file, site.served))


def _data(site: BuiltSite, page: Page, subject: Subject, card: str) -> dict[str, Any]:
    """Of the home page and of answers; what is not known is left out."""
    if page.name != HOME and not subject.explains:
        return {}
    maintainer = _without_empty(
        {
            "@type": "Organization" if site.imprint.maintainer else "",
            "name": site.imprint.maintainer,
            "url": site.imprint.maintainer_address,
        }
    )
    common = {
        "@context": "https://schema.org",
        "description": subject.description,
        "inLanguage": page.language.name,
        "url": site.full_address_of(page) if site.address else "",
        "publisher": maintainer,
        "license": site.imprint.license_address,
    }
    if page.name == HOME:
        name = WORDS[page.language.name].site
        return _without_empty({"@type": "WebSite", "name": name, **common})
    came, changed = subject.dates or ("", "")
    own = {
        "@type": "TechArticle",
        "headline": subject.title,
        "datePublished": came,
        "dateModified": changed,
        "author": maintainer,
        "image": _address(site, card) if card and site.address else "",
        "mainEntityOfPage": common["url"],
        "isPartOf": _without_empty(_home(site, page)),
    }
    return _without_empty(common | own)


def _home(site: BuiltSite, page: Page) -> dict[str, Any]:
    home = site.find(page.language, HOME)
    address = site.full_address_of(home) if home and site.address else ""
    return {"@type": "WebSite", "name": WORDS[page.language.name].site, "url": address}


def _without_empty(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value}
