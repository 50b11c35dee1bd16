"""What a page says of its other languages."""

from __future__ import annotations

from qa.finish.addresses import address_of, relative
from qa.finish.languages import with_languages

LINK = '<link rel="alternate" href="./wrong/" hreflang="en">\n'
OPTION = '<a href="/x/" hreflang="en" class="md-select__link">English</a>'


def test_links_take_the_place_of_what_a_generator_wrote() -> None:
    page = with_languages(f"<head>{LINK}</head>", {"en": "https://site.example/en/"}, {})
    link = '<link rel="alternate " href="https://site.example/en/" hreflang="en">'
    assert page == f"<head>{link}</head>"


def test_a_reader_chooses_a_language_by_its_own_name() -> None:
    switched = '<a href="../en/" hreflang="en" class="md-select__link" lang="en">English</a>'
    assert with_languages(OPTION, {}, {"en": "../en/"}) == switched


def test_a_language_that_is_none_of_the_site_s_stays() -> None:
    assert with_languages(OPTION, {}, {"zh": "../"}) == OPTION


def test_addresses_with_and_without_a_server() -> None:
    assert [address_of(file, True) for file in ("index.html", "a/index.html", "a/b.html")] == [
        "",
        "a/",
        "a/b.html",
    ]
    assert address_of("a/index.html", False) == "a/index.html"
    assert address_of("图.html", True) == "%E5%9B%BE.html"


def test_the_way_from_one_page_to_another() -> None:
    assert relative("", "") == "./"
    assert relative("", "a/b/") == "../../"
    assert relative("a/b/", "") == "a/b/"
    assert relative("a/c/", "a/b/") == "../c/"
    assert relative("a/c.html", "a/b.html") == "c.html"
