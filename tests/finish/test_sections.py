"""Sections of built HTML as plain text."""

from __future__ import annotations

import re

import pytest

from qa.finish.boxes import with_names
from qa.finish.sections import sections


def test_each_heading_begins_a_section() -> None:
    article = (
        '<h1 id="t">标题<a class="headerlink" href="#t">¶</a></h1><p>一 &amp; <code>二</code></p>'
        '<h2 id="run"><em>跑</em>一遍</h2><ul><li>x</li><li>y</li></ul>'
        "<h3>No anchor</h3><p>z</p>"
    )
    assert sections(article) == [
        {"anchor": "", "title": "标题", "text": "一 & 二"},
        {"anchor": "run", "title": "跑一遍", "text": "x y No anchor z"},
    ]


def test_what_stands_above_the_first_title_is_a_section_of_its_own() -> None:
    assert [each["anchor"] for each in sections('<p>a</p><h2 id="b">B</h2>')] == ["", "b"]


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>显<em>存</em>碎<a href='x'>片</a></p><p>two</p>", "显存碎片 two"),
        ("<pre><code><span>a</span><span>=</span>1\n</code></pre>", "a=1"),
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
    assert sections(markup) == [{"anchor": "", "title": "", "text": text}]


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
        {"anchor": "", "title": "A", "text": "one five No id six"},
        {"anchor": "box-1", "title": "Why not?", "text": "two four"},
        {"anchor": "box-2", "title": "Inner", "text": "three"},
        {"anchor": "b", "title": "B", "text": ""},
    ]


def test_boxes_get_names_and_folded_code_none() -> None:
    box = '<details class="question"{}><summary>Q</summary></details>'
    code = '<details class="qa-code"><summary>C</summary></details>'
    opened = '<details class="note"{} open="open">'
    text = box.format("") + code + opened.format("")
    named = with_names(text)
    assert re.findall(r'<details[^>]*id="([^"]*)"', named) == ["box-1", "box-2"]
    assert code in named
