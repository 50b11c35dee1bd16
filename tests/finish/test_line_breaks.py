"""A line that ends between Chinese characters goes on without a space."""

import pytest

from qa.finish.line_breaks import joined


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>中文\n接着</p>", "<p>中文接着</p>"),
        ("<p>中文，\n    接着</p>", "<p>中文，接着</p>"),
        ("<p><strong>中</strong>\n<em>文</em></p>", "<p><strong>中</strong><em>文</em></p>"),
        ('<p>“中”\n<a href="x">文</a></p>', '<p>“中”<a href="x">文</a></p>'),
        ("<p>中文\nEnglish\n中文</p>", "<p>中文\nEnglish\n中文</p>"),
        ("<p>one\ntwo</p>", "<p>one\ntwo</p>"),
        ("<p>中</p>\n<p>文</p>", "<p>中</p>\n<p>文</p>"),
        ("<p>中<br />\n文</p>", "<p>中<br />\n文</p>"),
        ("<pre><code>中\n文</code></pre>", "<pre><code>中\n文</code></pre>"),
        ("<li>中\n文</li>\n<li>中</li>", "<li>中文</li>\n<li>中</li>"),
    ],
)
def test_lines_are_joined(html: str, text: str) -> None:
    assert joined(html) == text
