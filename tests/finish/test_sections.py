"""Sections of built HTML as plain text."""

from __future__ import annotations

import re

import pytest

from qa.finish.names import with_names
from qa.finish.sections import sections


def test_each_heading_begins_a_section() -> None:
    article = (
        '<h1 id="t">标题<a class="headerlink" href="#t">¶</a></h1><p>一 &amp; <code>二</code></p>'
        '<h2 id="run"><em>跑</em>一遍</h2><ul><li>x</li><li>y</li></ul>'
        "<h3>No anchor</h3><p>z</p>"
    )
    assert sections(article) == [
        {"anchor": "", "title": "标题", "text": "一 & 二", "code": ""},
        {"anchor": "run", "title": "跑一遍", "text": "x\ny\nNo anchor\nz", "code": ""},
    ]


def test_what_stands_above_the_first_title_is_a_section_of_its_own() -> None:
    assert [each["anchor"] for each in sections('<p>a</p><h2 id="b">B</h2>')] == ["", "b"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>显<em>存</em>碎<a href='x'>片</a></p><p>two</p>", "显存碎片\ntwo"),
        ("<pre><code>no</code></pre>yes", "yes"),
        ('<div class="qa-output"><pre>no</pre></div><div class="qa-table">no</div>yes', "yes"),
        ('<p class="qa-about">no</p><p>yes</p><p class="qa-run">no</p>', "yes"),
        ('<p>yes</p><h2 id="related">Related pages</h2><ul><li>no</li></ul>', "yes"),
        ("<td>a</td><td>b</td>", "a b"),
        ("a<br>b", "a b"),
        ("a<!-- no -->b", "ab"),
        ("<script>no</script><style>no</style><button>no</button>yes", "yes"),
        ("<svg><text>no</text></svg><span class='x' aria-hidden='true'>no</span> yes", "yes"),
        ("<p data-search-exclude>no</p>yes", "yes"),
        ("<div class='linenodiv'>1</div>yes", "yes"),
        ("<math><mi>x</mi></math>yes", "yes"),
        ('<details class="qa-code"><summary>no</summary><pre>no</pre></details>yes', "yes"),
        ('<p class="qa-back">no</p><p class="qa-unfold">no</p>yes', "yes"),
        ("", ""),
    ],
)
def test_text(markup: str, text: str) -> None:
    (section,) = sections(markup)
    assert (section["anchor"], section["title"], section["text"]) == ("", "", text)


def test_code_is_known_by_its_words() -> None:
    code = "<pre><code><span>vllm</span> serve --max-model-len 4096\nvllm serve</code></pre>"
    folded = f'<details class="qa-code"><summary>Code</summary>{code}</details>'
    for markup in (code, folded):
        (section,) = sections(f"<p>text</p>{markup}")
        assert section["text"] == "text"
        assert section["code"] == "vllm serve max-model-len"


def test_an_entry_of_a_list_is_a_section() -> None:
    markup = (
        '<h1>T</h1><dl><dt id="a" data-entry="">A · <b>甲</b></dt><dd>first</dd></dl>'
        '<ul><li><span id="b" data-entry="open">B?</span><small data-search-exclude>1</small></li>'
        '<li><span id="c" data-search-exclude>C?</span></li></ul>'
    )
    assert [each for each in sections(markup) if "state" in each] == [
        {"anchor": "a", "title": "A · 甲", "text": "first", "code": "", "state": ""},
        {"anchor": "b", "title": "B?", "text": "", "code": "", "state": "open"},
    ]


def test_deep_nesting_is_read() -> None:
    assert sections("<div>" * 200 + "deep")[0]["text"] == "deep"


def test_a_box_that_opens_is_a_section_within_another() -> None:
    article = (
        '<h2 id="a">A</h2><p>one</p>'
        '<details class="question" id="box-1"><summary>Why <b>not</b>?</summary><p>two</p>'
        '<details id="box-2"><summary>Inner</summary>three</details> four</details>'
        "<p>five</p><details><summary>No id</summary>six</details>"
        '<h2 id="b">B</h2>'
    )
    assert sections(article) == [
        {"anchor": "", "title": "A", "text": "one\nfive\nNo id\nsix", "code": ""},
        {"anchor": "box-1", "title": "Why not?", "text": "two\nfour", "code": ""},
        {"anchor": "box-2", "title": "Inner", "text": "three", "code": ""},
        {"anchor": "b", "title": "B", "text": "", "code": ""},
    ]


def test_boxes_get_names_and_folded_code_none() -> None:
    box = '<details class="question"{}><summary>Q</summary></details>'
    code = '<details class="qa-code"><summary>C</summary></details>'
    opened = '<details class="note"{} open="open">'
    text = box.format("") + code + opened.format("")
    named = with_names(text)
    assert re.findall(r'<details[^>]*id="([^"]*)"', named) == ["box-1", "box-2"]
    assert code in named


def test_each_listing_has_a_name_of_its_own() -> None:
    text = '<div class="language-python highlight"></div><div class="no-copy highlight"></div>'
    assert re.findall(r'id="([^"]*)"', with_names(text)) == ["listing-1", "listing-2"]
    assert with_names('<div class="highlighted"></div>') == '<div class="highlighted"></div>'
