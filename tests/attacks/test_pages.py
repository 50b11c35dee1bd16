"""What hostile code prints, shows or returns reaches a page as text and nothing else."""

from __future__ import annotations

import json
from html.parser import HTMLParser

from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"
HOSTILE = '''
lie = "<img src=x onerror=steal()> [x](javascript:steal()) `{{ total }}`"
print("```\\n<script>steal()</script>\\n</code></pre></div><script>steal()</script>")
print('--8<-- "secret.txt"')
print("``` cell name=\\"sum\\"\\n```")
note = """
```
<script>steal()</script>
--8<-- "secret.txt"
"""
'''


def test_output_source_and_values_stay_text(sample: SampleProject) -> None:
    sample.write("secret.txt", "a-token-of-the-builder\n")
    text = sample.path("mkdocs.yml").read_text()
    snippets = "pymdownx.superfences, pymdownx.snippets]"
    sample.write("mkdocs.yml", text.replace("pymdownx.superfences]", snippets))
    sample.replace(NOTEBOOK, 'print("total", total)', HOSTILE)
    for page in ("docs/zh/training/sum.md", "docs/en/training/sum.md"):
        sample.replace(page, " {{ total }}\n", " {{ total }} {{ lie }}\n")
    sample.sync()
    done = sample.build()
    assert done.returncode == 0, done.stderr
    for page in ("training/sum/index.html", "en/training/sum/index.html"):
        html = sample.path(f"site/{page}").read_text()
        for bad in ("<script>steal", "<img src=x", 'href="javascript', "a-token-of-the-builder"):
            assert bad not in html, bad
        assert "&lt;script&gt;steal()&lt;/script&gt;" in html
        assert "[x](javascript:steal())" in html.replace("&#91;", "[").replace(
            "&#93;", "]"
        ).replace("&#40;", "(").replace("&#41;", ")")


TEXTS = (
    "```\nfence\n```",
    "~~~ python\nfence",
    '```` cell name="sum"\n````',
    "``` mermaid\ngraph LR\n```",
    "</code></pre></div></div><script>steal()</script>",
    '<div markdown="1">\n\n# heading\n\n</div>',
    '--8<-- "secret.txt"\n-8<- "secret.txt"',
    "# heading {#run}\n\nsetext\n======",
    "!!! note\n    text\n\n??? note\n\n    text",
    "[a](b) ![c](d) <https://x.example> [^1]\n[^1]: foot\n*[run]: abbr",
    "$x$ $$y$$ \\(z\\) \\[w\\] {{ total }} {% x %} {: .class }",
    "| a |\n| - |\n| 1 |",
    "<!-- comment -->\n<?php ?>\n<![CDATA[x]]>\n&lt;&#60;&amp;",
    "a\tb\n\n\n    indented\n  trailing  \n> quote\n- item\n1. item",
    "==mark== ^^ins^^ ~~del~~ :smile: ++ctrl++ `code` *a* __b__",
    "klzzwxh:0 \\* \\` wzxhzdk:1",
)
"""All that Markdown and its extensions read."""


class _Outputs(HTMLParser):
    """The texts of a page's outputs, and all its tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.inside = 0
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "div" and "qa-output" in (dict(attrs).get("class") or ""):
            self.inside = 1
            self.texts.append("")
        elif self.inside and tag not in ("pre", "code"):
            raise AssertionError(f"an output holds <{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self.inside = 0

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.texts[-1] += data


def test_what_is_printed_is_read_as_it_was_printed(sample: SampleProject) -> None:
    config = sample.path("mkdocs.yml").read_text()
    more = "abbr, footnotes, admonition, def_list, pymdownx.arithmatex, pymdownx.inlinehilite,"
    more += "pymdownx.snippets, pymdownx.superfences]"
    sample.write("mkdocs.yml", config.replace("pymdownx.superfences]", more))
    sample.write("secret.txt", "a-token-of-the-builder\n")
    shown = "from IPython.display import display\n" + "\n".join(
        f"print({text!r})\ndisplay({{'text/plain': {text!r}}}, raw=True)" for text in TEXTS
    )
    sample.replace(NOTEBOOK, 'print("total", total)', shown)
    sample.sync()
    done = sample.build()
    assert done.returncode == 0, done.stderr
    html = sample.path("site/training/sum/index.html").read_text()
    found = [text.strip("\n") for text in _Outputs(html).texts]
    assert found == [text.strip("\n") for text in TEXTS for _ in range(2)]
    assert "a-token-of-the-builder" not in html


def one_line(text: str) -> str:
    return " ".join(text.split())


def test_html_and_values_of_a_run_are_no_markup(sample: SampleProject) -> None:
    """Fence marks inside of a table, a caption, a heading and an alternative text."""
    values = {f"v{number}": text for number, text in enumerate(TEXTS)}
    shown = "from IPython.display import HTML, display\nimport json\n"
    shown += f"globals().update(json.loads({json.dumps(values)!r}))\n"
    shown += "import html\n" + "\n".join(
        f"display(HTML('<table><tr><td>' + html.escape({name}) + '</td></tr></table>'))"
        for name in values
    )
    sample.replace(NOTEBOOK, 'print("total", total)', shown)
    same = "".join(f"{json.dumps(text)}: {json.dumps(text)}, " for text in map(one_line, TEXTS))
    sample.replace("docs/zh/training/sum.md", "labels: {", f"labels: {{{same}")
    words = " ".join(f"{{{{ {name} }}}}" for name in values)
    for page in ("docs/zh/training/sum.md", "docs/en/training/sum.md"):
        sample.replace(page, " {{ total }}\n", f" {{{{ total }}}} {words}\n")
    sample.sync()
    before = _Outputs(sample.path("site/training/sum/index.html").read_text()).tags
    done = sample.build()
    assert done.returncode == 0, done.stderr
    after = _Outputs(sample.path("site/training/sum/index.html").read_text()).tags
    for tag in {*before, *after} - {"div", "span", "table", "tbody", "tr", "td", "pre", "code"}:
        assert after.count(tag) == before.count(tag), tag
    assert after.count("td") == before.count("td") + len(TEXTS)
