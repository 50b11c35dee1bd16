"""Explain a term where a page first uses it: a link into the list of terms, with its definition."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

# Blocks of code hold most of a page's tags, and are one token.
TOKEN = re.compile(r"""(<pre\b.*?</pre>|<!--.*?-->|<(?:[^<>"']|"[^"]*"|'[^']*')*>)""", re.DOTALL)
NAME = re.compile(r"</?([a-zA-Z][\w-]*)")
SKIPPED = {
    "a", "abbr", "button", "code", "figure", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "script",
    "style", "summary", "svg", "th",
}  # fmt: skip
UNTOUCHED = re.compile(
    r'class="[^"]*\b(?:arithmatex|admonition-title|qa-(?:about|run|sourced|table))\b'
)
HAN = re.compile(r"[\u3400-\u9fff]")
VOID = {"area", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}


@dataclass(frozen=True)
class Term:
    """What a term is called on pages of one language, and its definition in it."""

    names: tuple[str, ...]
    definition: str


def link_first_uses(content: str, terms: Mapping[str, Term], address: str) -> str:
    """`content` is the HTML of an article, and `address` leads from it to the list of terms, in
    which each has its identifier as anchor.

    Headings, code, links, tables of results and mathematics stay as they are.
    """
    tokens = TOKEN.split(content)
    prose = list(_prose(tokens))
    # Looking for each name first is much faster than one expression of all of them.
    text = "\n".join(tokens[number] for number in prose).lower()
    names = {
        name.lower(): identifier
        for identifier, term in terms.items()
        for name in term.names
        if name.lower() in text
    }
    if not names:
        return content
    pattern = _any_of(names)
    waiting = set(names.values())

    def explain(match: re.Match[str]) -> str:
        identifier = names[match[0].lower()]
        if identifier not in waiting:
            return match[0]
        waiting.discard(identifier)
        definition = html.escape(terms[identifier].definition)
        target = f"{address}#{identifier}"
        return f'<a class="qa-term" href="{target}" title="{definition}">{match[0]}</a>'

    for number in prose:
        tokens[number] = pattern.sub(explain, tokens[number])
    return "".join(tokens)


def _prose(tokens: list[str]) -> Iterator[int]:
    """The numbers of those tokens of HTML that are text in which terms are explained."""
    skipping: list[str] = []
    for number, token in enumerate(tokens):
        if token.startswith(("<!--", "<pre")):
            continue
        tag = NAME.match(token)
        if not tag:
            if not skipping and not token.isspace():
                yield number
            continue
        name = tag[1].lower()
        if token.startswith("</"):
            if skipping and skipping[-1] == name:
                skipping.pop()
        elif name not in VOID and (skipping or name in SKIPPED or UNTOUCHED.search(token)):
            skipping.append(name)


def _any_of(names: Mapping[str, str]) -> re.Pattern[str]:
    """The longest name first; a Latin one stands between other characters than letters."""
    longest_first = sorted(names, key=len, reverse=True)
    parts = [
        re.escape(name)
        if HAN.search(name)
        else rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?![A-Za-z0-9_-])"
        for name in longest_first
    ]
    return re.compile("|".join(parts), re.IGNORECASE)
