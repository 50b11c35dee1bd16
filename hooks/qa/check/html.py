"""Read the HTML that a generator made of a page, strictly, and say what may not stand in it.

Not with a forgiving parser: browsers forgive in other ways. What is not of the one plain form below
is refused, so that there is no second way to read what is left.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

TOKEN = re.compile(
    r"<!--(?!-?>)(?:(?!--!?>|<!--).)*-->"
    r"""|<(?P<close>/?)(?P<tag>[A-Za-z][\w:-]*)(?P<attributes>(?:\s+[A-Za-z_:][\w:.-]*"""
    r"""(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'))?)*)\s*/?>"""
    r"|(?P<text>[^<]+)|(?P<stray><)",
    re.DOTALL,
)
ONE_TOKEN = re.compile(
    r"<!--(?!-?>)(?:(?!--!?>|<!--).)*-->"
    r"""|<(?P<close>/?)(?P<tag>[A-Za-z][\w:-]*)(?P<attributes>(?:\s+[A-Za-z_:][\w:.-]*"""
    r"""(?:\s*=\s*(?:"[^"<]*"|'[^'<]*'))?)*)\s*/?>"""
    r"|(?P<text>[^<]+)|(?P<stray><)",
    re.DOTALL,
)
ATTRIBUTE = re.compile(
    r"""\s(?P<name>[A-Za-z_:][\w:.-]*)(?:\s*=\s*(?P<quote>["'])(?P<value>.*?)(?P=quote))?""",
    re.DOTALL,
)
SPACE = re.compile(r"[\x00-\x20\x7f-\xa0\u200b-\u200f\u2028-\u202f\u2060\ufeff]")
HEADING = re.compile(r"h[1-6]")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:|//|\\\\|/\\|\\/", re.IGNORECASE)
VOID = {"br", "col", "hr", "img", "input", "wbr"}
COMMON = {"id", "class", "title", "lang", "dir", "role", "data-search-exclude"}
ARIA = re.compile(r"aria-[a-z]+")
CELL = {"align", "colspan", "rowspan", "scope", "style"}
TAGS = {
    *("h1", "h2", "h3", "h4", "h5", "h6", "p", "hr", "br", "wbr", "blockquote"),
    *("em", "strong", "b", "i", "u", "s", "del", "ins", "mark", "small", "q", "cite"),
    *("code", "pre", "kbd", "samp", "var", "sub", "sup", "abbr", "dfn", "dl", "dd"),
    *("table", "caption", "thead", "tbody", "tfoot", "tr", "colgroup", "figure", "figcaption"),
    *("aside", "section", "nav", "summary"),
}
"""What may stand in an article."""
TAGS_WITH = {
    "a": {"href", "name", "rel", "download"},
    "col": {"span"},
    "details": {"open"},
    "div": {"data-sides", "data-start"},
    "img": {"src", "alt", "width", "height", "loading", "style"},
    "input": {"type", "disabled", "checked"},
    "label": {"for"},
    "dt": {"data-entry"},
    "li": {"value", "data-themes", "data-documents", "data-open"},
    "ol": {"start", "type"},
    "span": {"data-linenos", "data-entry"},
    "td": CELL,
    "th": CELL,
    "time": {"datetime"},
    "ul": {"data-theme"},
}
"""What may too, with what it may carry beside what all may."""
STYLE = {
    "img": re.compile(r"--legible: \d+px"),
    "td": re.compile(r"text-align: (?:left|right|center);?"),
}
STYLE["th"] = STYLE["td"]
MADE = {"qa-output", "qa-table", "qa-figure", "qa-run", "qa-sourced", "linenodiv"}
"""Classes of elements in which no author wrote anything."""
NO_PROSE = {"arithmatex", "headerlink"}
BLOCKS = {"", "p", "li", "td", "th", "dt", "dd", "div", "blockquote", "summary", "figcaption"}
INLINE = "\ufffc"
"""Stands for what is no text, at the start of a piece of text that begins no line."""
BOXES = {
    *("note", "abstract", "info", "tip", "success", "question", "warning", "failure", "danger"),
    *("bug", "example", "quote", "qa-code"),
}
BESIDE_BOXES = {"admonition", "inline", "end"}


@dataclass(frozen=True)
class Fault:
    """`near` is a piece of the HTML by which the author's line may be found."""

    near: str
    reason: str
    code: str


@dataclass
class Article:
    """What stands in the HTML, in its order."""

    headings: list[tuple[int, str]] = field(default_factory=list)
    blocks: list[str] = field(default_factory=list)
    """The text of each block of code."""
    prose: list[str] = field(default_factory=list)
    """Pieces of text outside code and mathematics, as they stand in the HTML: INLINE before one
    that begins no block."""
    ids: list[str] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    """Of the items of numbered lists, as a browser shows them."""
    faults: list[Fault] = field(default_factory=list)


@dataclass
class _Open:
    """An element that is not closed yet."""

    tag: str
    token: str
    own: bool
    """Whether an author wrote its content."""
    prose: bool
    """Whether its text is Markdown's, and neither code nor mathematics."""
    text: list[str] | None = None
    """Where its text is gathered, if it is a heading or a block of code."""
    children: int = 0
    """Pieces of text and elements."""
    number: int = 0
    """Of the last item, in a numbered list."""
    box: str = ""
    """Its type, if it is a box."""


def read(content: str) -> Article:
    """`content` is the HTML of a page's article."""
    article = Article()
    stack = [_Open("", "", own=True, prose=True)]
    for match in TOKEN.finditer(content):
        if match["text"]:
            _add_text(article, stack, match["text"])
        elif match["stray"]:
            near = content[match.start() : match.start() + 80]
            reason = "HTML that browsers may read in several ways: write < as &lt;"
            article.faults.append(Fault(near, reason, "html-unclear"))
        elif match["close"]:
            _close(article, stack, match["tag"].lower(), match[0])
        elif match["tag"]:
            _open(article, stack, match["tag"].lower(), match[0])
    _close_to(article, stack, 1)
    return article


def _add_text(article: Article, stack: list[_Open], text: str) -> None:
    for element in stack:
        if element.text is not None:
            element.text.append(text)
    parent = stack[-1]
    if text.isspace():
        return
    if parent.prose:
        begins = parent.tag in BLOCKS and not parent.children
        article.prose.append(text if begins else INLINE + text)
    parent.children += 1


def _open(article: Article, stack: list[_Open], tag: str, token: str) -> None:
    attributes, faults = _look_at(tag, token)
    article.faults += faults
    if identifier := attributes.get("id"):
        article.ids.append(identifier)
    parent = stack[-1]
    parent.children += 1
    if tag == "li" and parent.tag == "ol" and not attributes.get("id", "").startswith("fn:"):
        parent.number += 1
        article.numbers.append(parent.number)
    if tag in VOID or not _known(tag):
        return
    classes = set(attributes.get("class", "").split())
    own = parent.own and not classes & MADE
    prose = parent.prose and own and tag not in ("pre", "code", "samp")
    element = _Open(tag, token, own, prose and not classes & NO_PROSE)
    if (tag == "pre" and own) or HEADING.fullmatch(tag):
        element.text = []
    if tag == "ol" and attributes.get("start", "").isdigit():
        element.number = int(attributes["start"]) - 1
    if own and (tag == "details" or "admonition" in classes):
        element.box = attributes.get("class", tag).removeprefix("admonition ")
        if classes - BOXES - BESIDE_BOXES:
            reason = f'"{element.box}" is no type of a box; a title stands in quotes'
            article.faults.append(Fault(element.box, reason, "box-type"))
    stack.append(element)


def _close(article: Article, stack: list[_Open], tag: str, token: str) -> None:
    if tag in VOID or not _known(tag):
        return
    place = next((n for n in range(len(stack) - 1, 0, -1) if stack[n].tag == tag), 0)
    if not place:
        reason = f"</{tag}> closes nothing that is open here"
        article.faults.append(Fault(token, reason, "html-closes-nothing"))
        return
    _close_to(article, stack, place + 1)
    element = stack.pop()
    if element.box and element.children < 2:
        near = f"{element.box} {''.join(article.prose[-1:])}"
        reason = "a box without text: indent its text by 4, below an empty line"
        article.faults.append(Fault(near, reason, "box-empty"))
    if element.text is None:
        return
    text = html.unescape("".join(element.text))
    if tag == "pre":
        article.blocks.append(text)
    else:
        article.headings.append((int(tag[1]), text))


def _close_to(article: Article, stack: list[_Open], depth: int) -> None:
    """What is still open above `depth` should have been closed."""
    for left in stack[depth:]:
        reason = f"<{left.tag}> is never closed"
        article.faults.append(Fault(left.token, reason, "html-never-closed"))
    del stack[depth:]


def _known(tag: str) -> bool:
    return tag in TAGS or tag in TAGS_WITH


@lru_cache(maxsize=10_000)
def _look_at(tag: str, token: str) -> tuple[dict[str, str], tuple[Fault, ...]]:
    """The attributes of an opening tag, and what may not stand there."""
    attributes = {
        match["name"].lower(): html.unescape(match["value"] or "")
        for match in ATTRIBUTE.finditer(token)
    }
    if not _known(tag):
        reason = f"<{tag}> may not stand on a page: a word in angle brackets is written `<{tag}>`"
        return attributes, (Fault(token, reason, "html-tag"),)
    return attributes, tuple(_faults_of_attributes(tag, token, attributes))


def _faults_of_attributes(tag: str, token: str, attributes: dict[str, str]) -> Iterator[Fault]:
    known = TAGS_WITH.get(tag, set()) | COMMON
    for name, value in attributes.items():
        if name not in known and not ARIA.fullmatch(name):
            yield Fault(name, f'<{tag}> may not carry "{name}" on a page', "html-attribute")
        elif "{{" in value or "}}" in value:
            unmeant = f'"{value}" is no value: write {{{{ name }}}} or {{{{ name:format }}}}'
            yield Fault(value, unmeant, "value-form")
        elif name in ("href", "src") and (reason := address_fault(value, image=name == "src")):
            yield Fault(value, reason, "html-address")
        elif name == "style" and not STYLE[tag].fullmatch(value):
            yield Fault("style", "a style may only align the cells of a table", "html-attribute")


def address_fault(address: str, image: bool) -> str | None:
    """Why a page may not name this address, whatever stands there."""
    if SPACE.search(address.strip(" ")):
        return f'address "{address.strip()}" holds a space or a control character: write %20'
    bare = SPACE.sub("", html.unescape(address))
    scheme = SCHEME.match(bare)
    if scheme is None:
        return None
    if image:
        return f'image "{address}" is not of this site: keep it beside the page'
    if scheme[0].lower() in ("https:", "http:", "mailto:", "//"):
        return None
    return f'link "{address}": a page may lead to https, http and mailto addresses only'
