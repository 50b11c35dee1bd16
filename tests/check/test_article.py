"""What Python-Markdown, set as on the site, makes of a page, beside what its author wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown import Markdown

from tests.article import converter, findings

FILE = "notebooks/billing/energy/meter.py"


@pytest.fixture(scope="module")
def convert() -> Markdown:
    return converter()


@pytest.mark.parametrize(
    "text",
    [
        "``` python\nx = 1\n\n\ny = [1, 2]  # `a` & <b>\n```",
        '``` python title="a.py" linenums="1" hl_lines="1"\nx\ty = 1\n```',
        "``` text reason=\"tabs\"\na\tb\n\tc  \n```",
        f'``` python\n--8<-- "{FILE}:rapl"\n```',
        "- a\n\n    ``` python\n    x = 1\n    ```\n\n- b",
        '??? question "Q"\n\n    ``` python\n    x = 1\n    ```\n\n    Text.',
        "```mermaid\nflowchart TD\n    A --> B\n```",
        "## A *heading* of [a link](#x), `code` and $x^2$ { #x }",
        "1. one\n2. two\n\n    more of two\n\n3. three\n    - a\n    - b",
        "| a | b |\n|---|:-:|\n| `x` | $y$ |\n| 1 \\| 2 | **3** |",
        "It costs $5, or 6 to 7 dollars; 2 * 3 * 4; a_b_c; x == y; 10:30:15; f(x)[0]; C# and #5.",
        "A \\*star\\*, \\`a tick\\`, \\{{ x }}, &#42;&#42;, `**` and ``{{ ` }}``.",
        "Note[^1] and **bold**, *it*; <https://example.org/x> \\[x\\]\n\n[^1]: Text.",
        '<div class="grid cards" markdown="1">\n\n- **a**\n\n    b\n\n</div>',
        "Text<br>more x<sub>1</sub> &lt;think&gt; `<think>` <!-- a note -->",
        "$$\nE = \\frac{a}{b}\n$$\n\nand \\(x\\)",
        "> A quotation\n> over two lines.",
        "Text.\n{ #here .there }\n\n![alt](a.png){ width=\"10\" }",
    ],
)  # fmt: skip
def test_what_means_what_its_author_wrote(tmp_path: Path, convert: Markdown, text: str) -> None:
    assert findings(text, tmp_path, convert) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("> ``` python\n> x = 1\n> ```", ["4 code-unaccounted"]),
        ("Text.\n\n    x = 1", ["5 MD046", "5 code-unaccounted"]),
        ("- a\n\n        x = 1", ["5 MD046", "5 code-unaccounted"]),
        ("Text:\n\n    ``` python\n    x = 1\n    ```", ["5 MD046", "5 code-not-shown"]),
        ("- a\n\n  ``` python\n  x = 1\n  ```", ["5 MD077"]),
        ("<pre>x = 1</pre>", ["3 MD033", "3 code-unaccounted"]),
        ("<div>\n<pre><code>x = 1</code></pre>\n</div>", ["4 MD033", "4 code-unaccounted"]),
        ("<code>x = 1\ny = 2</code>", ["3 MD033"]),
        ('!!! note "N"\n\n\t``` python\n\tx = 1\n\t```', ["6 code-unaccounted"]),
        ("``` python\nx = 1\n````\n\nText.", ["3 fence-unclosed"]),
        ("~~~ python\nx = 1\n~~~", ["3 MD048", "5 MD048"]),
        ("<!--\n\n``` python\nx = 1\n```\n\n-->", ["5 code-not-shown"]),
        ("> Text\n\n    - a\n\n            x", ["5 MD046", "5 code-unaccounted"]),
        ("Term\n:   x", ["4 definition-form"]),
        ('=== "Tab"\n\n    Text.', ["3 admonition-form", "5 code-unaccounted"]),
        ("!!! note\nText.", ["3 box-empty"]),
        ("!!! note Title\n\n    Text.", ["3 box-type"]),
        ('!!! note "N"\n\n  Text.', ["3 box-empty"]),
        ('Text\n!!! note "N"\n\n    Text.', ["4 MD031"]),
        ('??? "N"\n\n    Text.', ["5 MD046"]),
        ("Text:\n- a\n- b", ["4 MD032", "4 list-form", "5 list-form"]),
        ("Text:\n1. a\n2. b", ["4 MD032", "4 list-form", "5 list-form"]),
        ("- a\n  - b\n  - c", ["4 MD007", "5 MD007"]),
        ("1. a\n   - b", ["4 MD007"]),
        ("1. a\n\nText.\n\n2. b", ["7 list-number"]),
        ("2. a\n3. b", ["3 list-number", "4 list-number"]),
        ("1. a\n\n``` python\nx = 1\n```\n\n2. b", ["9 list-number"]),
        ("1) a\n2) b", ["3 list-form", "4 list-form"]),
        ("- a\n\n  more", ["5 MD077"]),
        ("- a\n\n   more", ["5 MD077"]),
        ("Text\n#5 is", ["4 MD018", "4 heading-unmeant"]),
        ("#5 is", ["3 MD018", "3 heading-unmeant"]),
        ("Text\n# Heading", ["4 MD022", "4 MD025"]),
        ("## Heading\nText", ["3 MD022"]),
        ("Heading\n=======", ["3 MD003", "3 MD025", "3 heading-unmeant"]),
        ("Heading\n---", ["3 MD003", "3 heading-unmeant"]),
        ("### Deep", ["3 MD001"]),
        ("# Again", ["3 MD025"]),
        ("| a | b |\n|---|---|\n| $|x|$ | y |", ["5 MD056"]),
        ("| a | b |\n|---|---|\n| 1 |", ["5 MD056"]),
        ("Text\n| a |\n|---|", ["4 MD058", "4 table-form", "5 table-form"]),
        ("| a | b |\n| 1 | 2 |", ["3 MD075", "3 table-form", "4 table-form"]),
        ("从 $5 涨到$6。", ["3 money"]),
        ("$5/$6", ["3 money"]),
        ("$$x$$ in a line", ["3 money"]),
        ("A <think>thought</think>.", ["3 html-tag"]),
        ("A <T> and List<int>.", ["3 html-tag"]),
        ("a <b or c> d", ["3 MD033", "3 html-attribute", "3 html-never-closed"]),
        ("<div>\n\n**bold**\n\n</div>", ["5 emphasis-form"]),
        ("<div>\n\nText", ["3 html-never-closed"]),
        ("<span>Text", ["3 html-never-closed"]),
        ("Text</div>", ["3 html-closes-nothing"]),
        ("<!-- never closed", ["3 MD086", "3 comment-form"]),
        ("a --> b", ["3 comment-form"]),
        ("## A { #x }\n\n## B { #x }", ["3 id-twice"]),
        ("Text.\n{ #x }\n\n## A { #x }", ["4 id-twice"]),
        ("Note.\n\n[^1]: Unused.", ["5 MD066"]),
        ("Note[^1].\n\n[^1]: A.\n\n[^1]: B.", ["7 MD066"]),
        ("Note[^2].\n\n[^1]: A.", ["3 MD066", "3 footnote-form", "5 MD066"]),
        ("**never closed", ["3 emphasis-form"]),
        ("closed never**", ["3 emphasis-form"]),
        ("*never closed", ["3 emphasis-form"]),
        ("** spaces **", ["3 emphasis-form"]),
        ("__under", ["3 emphasis-form"]),
        ("`never closed", ["3 code-form"]),
        ("[a](b c.md)", ["3 html-address"]),
        ("[a](b.md", ["3 link-form"]),
        ("[a][b]", ["3 MD052", "3 link-form"]),
        ("(a)[b.md]", ["3 link-form"]),
        ("[a] (b.md)", ["3 link-form"]),
        ("Text {: .x } here", ["3 attributes-form"]),
        ("Text { #x } here", ["3 attributes-form"]),
        ("- [ ] a\n- [x] b", ["3 task-form", "4 task-form"]),
        ("https://example.org/x", ["3 MD034"]),
        (":smile: :material-check:", ["3 symbol-form"]),
        ("~~gone~~ ==new==", ["3 mark-form"]),
        ("{{ x", ["3 value-form"]),
        ("{{ x * 100 }} {{ x[0] }} {{ }}", ["3 value-form"]),
        ("{{ x\n}}", ["3 value-form", "4 value-form"]),
        ("a }} b", ["3 value-form"]),
        ("-a\n-b", ["3 list-form", "4 list-form"]),
        ("• a\n• b", ["3 list-form", "4 list-form"]),
        ("Text  \nmore\\\nmore", ["4 break-form"]),
        ("<<<<<<< HEAD", ["3 MD092"]),
        ("    \n    x", ["4 MD046", "4 code-unaccounted"]),
        ("''' python\nx\n'''", ["3 fence-form", "5 fence-form"]),
        ("[x]: nowhere.md", ["3 MD053"]),
        ("![a](a.png) { width=10 }", ["3 attributes-form"]),
    ],
)  # fmt: skip
def test_what_means_something_else(
    tmp_path: Path, convert: Markdown, text: str, found: list[str]
) -> None:
    assert findings(text, tmp_path, convert) == found
