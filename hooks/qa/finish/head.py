"""What stands in a page's head for machines: languages by full address, and what may load."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from urllib.parse import urljoin

SCRIPT = re.compile(r"<script(?P<attributes>[^>]*)>(?P<code>.*?)</script>", re.DOTALL)
DATA = re.compile(r'type="(?:application|text)/(?!javascript)[\w+-]*"')
CHARSET = re.compile(r"<meta charset=[^>]*>")
ALTERNATE = re.compile(r'<link rel="alternate" href="([^"]*)" hreflang="([^"]*)">')
SWITCH = re.compile(r'(<a href=")[^"]*(" hreflang="([^"]*)" class="md-select__link")')
# Styles that libraries set on elements cannot be named one by one.
POLICY = (
    "default-src 'none'; script-src 'self'{digests}; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; manifest-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)


def with_policy(page: str) -> str:
    """The HTML of a page with a Content-Security-Policy that refuses what is not the site's own.

    Scripts that stand in the page are named by their digest, so that none can be put in
    afterwards. Raises ValueError if the page names no charset.
    """
    digests = dict.fromkeys(
        _digest(match["code"])
        for match in SCRIPT.finditer(page)
        if "src=" not in match["attributes"] and not DATA.search(match["attributes"])
    )
    policy = POLICY.format(digests="".join(f" 'sha256-{digest}'" for digest in digests))
    charset = CHARSET.search(page)
    if not charset:
        raise ValueError("a page must name its charset before its policy can be put in")
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return page[: charset.end()] + meta + page[charset.end() :]


def _digest(code: str) -> str:
    return base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()


def with_languages_of_names(page: str) -> str:
    """The names of languages are in those languages, which a reader by voice must know."""
    return SWITCH.sub(lambda match: f'{match[0]} lang="{match[3]}"', page)


def with_full_addresses(page: str, canonical: str, default: str) -> str:
    """Search engines take other languages only by full address, and want to know the default.

    The space after `alternate` is for Material: below each link without it, it asks for a sitemap.
    """

    def full(match: re.Match[str]) -> str:
        address = urljoin(canonical, match[1])
        names = [match[2], "x-default"] if match[2] == default else [match[2]]
        return "".join(
            f'<link rel="alternate " href="{address}" hreflang="{name}">' for name in names
        )

    return ALTERNATE.sub(full, page)


def with_homes(page: str, homes: Mapping[str, str]) -> str:
    """The page that stands for missing ones has no other language: homes are by language."""
    page = ALTERNATE.sub("", page)
    return SWITCH.sub(lambda match: match[1] + homes[match[3]] + match[2], page)
