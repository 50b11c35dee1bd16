"""Who maintains the site, its licence, where its source is, and where to report an error."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

from qa.finish.built import BuiltSite, Imprint, Page
from qa.words import WORDS

GITLAB = "gitlab"
"""It names these pages otherwise than GitHub, and all who do as GitHub does."""


def read(settings: Mapping[str, Any]) -> Imprint:
    """Of the settings in mkdocs.yml: three have a place there, the others stand below `extra`."""
    extra = settings.get("extra") or {}
    return Imprint(
        settings.get("site_author") or "",
        extra.get("author_url") or "",
        extra.get("license") or "",
        extra.get("license_url") or "",
        (settings.get("repo_url") or "").rstrip("/"),
        extra.get("branch") or "main",
        str(extra.get("version") or ""),
    )


def with_imprint(text: str, site: BuiltSite, page: Page) -> str:
    """In the last footer of the page, if it has one and there is anything to say."""
    before, footer, after = text.rpartition("</footer>")
    links = list(_links(site, page))
    if not footer or not links:
        return text
    return f'{before}<div class="qa-imprint md-grid">{"".join(links)}</div>{footer}{after}'


def _links(site: BuiltSite, page: Page) -> Iterator[str]:
    words, by = WORDS[page.language.name], site.imprint
    if by.maintainer:
        name = _link(by.maintainer_address, by.maintainer)
        yield f"<span>{words.maintainer} {name}</span>"
    if by.license:
        yield f"<span>{words.license} {_link(by.license_address, by.license, 'license')}</span>"
    if by.repository:
        yield _link(by.repository, words.repository)
        if page.subject and page.subject.file:
            yield _link(_edit(by, page.subject.file), words.edit)
        yield _link(_report(site, page), words.report)


def _link(address: str, text: str, rel: str = "") -> str:
    if not address:
        return html.escape(text)
    kind = f' rel="{rel}"' if rel else ""
    return f'<a href="{html.escape(address)}"{kind}>{html.escape(text)}</a>'


def _edit(by: Imprint, file: str) -> str:
    way = "-/edit" if GITLAB in by.repository else "edit"
    return f"{by.repository}/{way}/{by.branch}/{file}"


def _report(site: BuiltSite, page: Page) -> str:
    """An issue that says already on which page, in which language and version."""
    words, by, subject = WORDS[page.language.name], site.imprint, page.subject
    title = subject.title if subject and subject.title else words.site
    where = site.full_address_of(page) if site.address else page.path
    version = by.version or (subject.dates[1] if subject and subject.dates else "")
    text = words.report_text.format(page=where, language=page.language.name, version=version)
    if GITLAB in by.repository:
        names, way = ("issue[title]", "issue[description]"), "-/issues/new"
    else:
        names, way = ("title", "body"), "issues/new"
    title = words.report_title.format(title=title)
    return f"{by.repository}/{way}?{urlencode(dict(zip(names, (title, text), strict=True)))}"
