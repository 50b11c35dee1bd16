"""A term is explained where a page first uses it, and nowhere else."""

from __future__ import annotations

import pytest

from qa.finish.terms import Term, link_first_uses

TERMS = {
    "en": {
        "cache": Term(("cache",), 'Data "kept".'),
        "kv-cache": Term(("KV cache",), "Keys, values."),
    },
    "zh": {
        "cache": Term(("cache", "缓存"), "存着的数据。"),
        "kv-cache": Term(("KV cache", "键值缓存"), "键与值。"),
    },
}
CACHE = '<a class="qa-term" href="../terms/#cache" title="Data &quot;kept&quot;.">{}</a>'
KV = '<a class="qa-term" href="../terms/#kv-cache" title="Keys, values.">{}</a>'
KV_ZH = '<a class="qa-term" href="../terms/#kv-cache" title="键与值。">{}</a>'


def linked(content: str, language: str = "en") -> str:
    return link_first_uses(content, TERMS[language], "../terms/")


def test_the_first_use_in_the_writing_of_the_page() -> None:
    expected = f"<p>A {CACHE.format('Cache')}, a cache.</p><p>Caches.</p>"
    assert linked("<p>A Cache, a cache.</p><p>Caches.</p>") == expected


def test_the_longest_term_wins() -> None:
    assert linked("<p>The KV cache.</p>") == f"<p>The {KV.format('KV cache')}.</p>"


def test_names_of_the_page_s_language_and_english_ones() -> None:
    assert linked("<p>用键值缓存。</p>", "zh") == f"<p>用{KV_ZH.format('键值缓存')}。</p>"
    assert linked("<p>用KV cache。</p>", "zh") == "<p>用KV cache。</p>".replace(
        "KV cache", KV_ZH.format("KV cache")
    )
    assert linked("<p>用键值缓存。</p>") == "<p>用键值缓存。</p>"


@pytest.mark.parametrize(
    "untouched",
    [
        "<h2>A cache</h2>",
        "<pre><span></span><code>a cache</code></pre>",
        '<a href="x">a <em>cache</em></a>',
        '<p><img alt="a > cache" src="x"></p>',
        '<p title="the cache">no</p>',
        "<!-- a cache -->",
        '<span class="arithmatex">cache</span>',
        '<p class="admonition-title">cache</p>',
        '<div class="qa-table"><table><tr><td>cache</td></tr></table></div>',
        "<p>pre-cache, caches, my_cache</p>",
    ],
)
def test_what_stays_as_it_is(untouched: str) -> None:
    assert linked(untouched) == untouched
    assert linked(untouched + "<p>cache</p>").startswith(untouched + "<p><a")


def test_without_terms_nothing_changes() -> None:
    assert link_first_uses("<p>x</p>", {}, "") == "<p>x</p>"
