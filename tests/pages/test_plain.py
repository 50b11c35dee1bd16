"""A page as plain Markdown: boxes, headings, tables and fences that only a generator knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.plain import plain, table

PAGE = """\
# Title

!!! abstract "In short"

    - One, {{ n }}.

    ``` python
    x = {{ n }}
    ```
## Next { #next }

<div class="wide" markdown="1">

??? question

    Why?

</div>

``` yaml schema="none" title="a.yml"
a: 1
```

Costs `{{ n }}` &amp; <br> {{ text }}
"""

PLAIN = """\
# Title

> **In short**
>
> - One, 3.
>
> ``` python
> x = {{ n }}
> ```
## Next

> **Question**
>
> Why?

``` yaml title="a.yml"
a: 1
```

Costs `{{ n }}` &amp; <br> a_b*c"""


def test_what_only_a_generator_knows_is_written_plainly(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    path.write_text(PAGE, encoding="utf-8")
    page = pages.read(path, "en", "a")
    lines = plain(page, Content({"n": 3, "text": "a_b*c"}))
    assert "\n".join(lines) == PLAIN


@pytest.mark.parametrize(
    ("markup", "lines"),
    [
        (
            "<table><thead><tr><th></th><th>a|b</th></tr></thead>"
            "<tbody><tr><th>0</th><td> 1\n2 </td></tr></tbody></table>",
            ["|  | a\\|b |", "| --- | --- |", "| 0 | 1 2 |"],
        ),
        ("<table><tr><td colspan='2'>a</td></tr></table>", None),
        ("<table><tr><td>a</td></tr><tr><td>a</td><td>b</td></tr></table>", None),
        ("<p>no table</p>", None),
        ("", None),
    ],
)
def test_a_table_that_markdown_cannot_write_stays(markup: str, lines: list[str] | None) -> None:
    assert table(markup) == (lines or [markup])
