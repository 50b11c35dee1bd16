"""The policy in a page names the scripts that stand in it, and nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib

import pytest

from qa.finish.head import (
    with_full_addresses,
    with_homes,
    with_languages_of_names,
    with_policy,
)

PAGE = """<html><head><meta charset="utf-8"><title>T</title>
<script>one()</script><script src="a.js"></script>
<script id="c" type="application/json">{"x": 1}</script><script>one()</script></head></html>"""


def test_scripts_in_the_page_are_named_once_by_their_digest() -> None:
    digest = base64.b64encode(hashlib.sha256(b"one()").digest()).decode()
    page = with_policy(PAGE)
    assert page.count("sha256-") == 1
    assert f"script-src 'self' 'sha256-{digest}'; " in page
    assert page.index("Content-Security-Policy") < page.index("<title>")


def test_a_page_without_a_charset_is_refused() -> None:
    with pytest.raises(ValueError, match="charset"):
        with_policy("<html></html>")


def test_languages_by_full_address_and_the_default() -> None:
    page = "".join(
        f'<link rel="alternate" href="{href}" hreflang="{name}">'
        for href, name in (("../a/", "zh"), ("./", "en"))
    )
    base = "https://site.example/en/a/"
    assert with_full_addresses(page, base, "zh") == (
        '<link rel="alternate " href="https://site.example/en/a/" hreflang="zh">'
        '<link rel="alternate " href="https://site.example/en/a/" hreflang="x-default">'
        '<link rel="alternate " href="https://site.example/en/a/" hreflang="en">'
    )


def test_the_page_for_missing_ones_leads_to_homes() -> None:
    page = '<a href="/x/" hreflang="en" class="md-select__link">English</a>'
    assert 'href="/en/"' in with_homes(page, {"zh": "/", "en": "/en/"})


def test_the_name_of_a_language_is_in_that_language() -> None:
    page = '<a href="../x/" hreflang="en" class="md-select__link">English</a>'
    assert with_languages_of_names(page) == page.replace(">English", ' lang="en">English')
