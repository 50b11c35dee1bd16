"""Markdown that means something else to MkDocs than to its author, by rumdl, which knows both."""

from __future__ import annotations

import re
from collections.abc import Iterator

from qa.check import program
from qa.check.checker import Checker, CheckerFailed
from qa.check.verdicts import Verdicts
from qa.failures import Failure, Problem
from qa.files import lines_of
from qa.pages.page import Page

RULES = (
    *("MD001", "MD003", "MD018", "MD022", "MD023", "MD025"),  # headings
    *("MD005", "MD007", "MD029", "MD032", "MD069", "MD077"),  # lists
    *("MD010", "MD031", "MD046", "MD048", "MD070"),  # code
    *("MD055", "MD056", "MD058", "MD075"),  # tables
    *("MD034", "MD042", "MD052", "MD053", "MD062", "MD066", "MD068"),  # links
    *("MD033", "MD086", "MD091"),  # HTML
    *("MD065", "MD083", "MD085", "MD092"),  # text
)
"""Those that find another meaning or lost content; not those of style."""
SETTINGS = (
    'MD003.style="atx"',
    "MD007.indent=4",
    'MD029.style="one-or-ordered"',
    'MD033.allowed-elements=["div", "span", "br", "sub", "sup", "kbd", "a", "img"]',
    'MD046.style="fenced"',
    'MD048.style="backtick"',
)
SWITCH = re.compile(r"<!--\s*(?:rumdl|markdownlint)\b")


def _find(text: str) -> Iterator[Problem]:
    settings = [part for setting in SETTINGS for part in ("--config", setting)]
    fixed = ("check", "--no-config", "--no-cache", "--flavor=mkdocs", "--output-format=json")
    enabled = f"--enable={','.join(RULES)}"
    for found in program.findings("rumdl", *fixed, enabled, *settings, "-", text=text):
        yield Problem(found["line"], f"{found['rule']}: {found['message']}")
    for number, line in enumerate(lines_of(text), 1):
        if SWITCH.search(line):
            yield Problem(number, "a comment may not turn a check off")


CHECKER = Checker("markdown", ("rumdl",), _find)


def check(page: Page, verdicts: Verdicts) -> Iterator[Failure]:
    """The prose of a page; empty lines stand for its front matter."""
    text = "\n" * (page.first - 1) + "\n".join([*page.lines, ""])
    try:
        problems = verdicts.check(CHECKER, text)
    except CheckerFailed as error:
        problems = [Problem(1, f"no verdict: {error}")]
    for problem in problems:
        yield Failure(page.path, problem.line, problem.reason, code="markdown")
