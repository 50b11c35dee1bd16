"""Sections of built HTML as plain text."""

from __future__ import annotations

import pytest

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
        ("", ""),
    ],
)
def test_text(markup: str, text: str) -> None:
    assert sections(markup) == [{"anchor": "", "title": "", "text": text}]


def test_deep_nesting_is_read() -> None:
    assert sections("<div>" * 200 + "deep")[0]["text"] == "deep"
