"""A diagram as a file brings along what the style of a page gave it."""

from __future__ import annotations

from qa.drawing.printed import standing_alone


def test_rules_of_the_root_and_of_what_stands_in_it_both_hold() -> None:
    style = """.qa-diagram { font-family: var(--of-the-page, sans-serif); }
.qa-diagram .node,
.qa-diagram path { fill: var(--light, #f5f5f5); }"""
    alone = standing_alone('<svg viewBox="0 0 1 1"><path d="M0 0"/></svg>', style)
    assert alone.startswith('<svg class="qa-diagram" xmlns="http://www.w3.org/2000/svg" viewBox=')
    assert ".qa-diagram { font-family: sans-serif; }" in alone
    assert "\n.node,\npath { fill: #f5f5f5; }" in alone
    assert alone.endswith('</style><path d="M0 0"/></svg>')
