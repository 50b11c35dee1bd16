"""Find the links, images and ids in a page's prose, with lines.

Not by a Markdown parser: Python-Markdown keeps no lines, and those that do read CommonMark, for
which the text of an admonition is a block of code. What is no prose is blanked out, place for
place, and the rest has few forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

# A piece of text goes on over a line's end, but not over a blank line.
ANY = r"(?:[^\n]|\n(?!\s*\n))"
HIDDEN = re.compile(
    r"<!--.*?(?:-->|\Z)"
    rf"|(?<![\\`])(`+)(?!`){ANY}+?(?<!`)\1(?!`)"
    rf"|(?<!\\)\$\${ANY}+?\$\$"
    r"|(?<!\\)\$(?!\s)(?:\\.|[^\\$\n]|\n(?!\s*\n))+?(?<!\s)\$",
    re.DOTALL,
)
"""Comments, code and mathematics."""

PLAIN = r"\\.|[^\[\]\\\n]|\n(?!\s*\n)"
LINK = re.compile(
    rf"(?<!\\)(?P<image>!?)\[(?!\^)(?=(?P<text>(?:{PLAIN}|\[(?:{PLAIN})*\])*)\]"
    r"(?:\(\s*(?P<target><[^>\n]*>|[^\s()<>]*(?:\([^\s()]*\)[^\s()<>]*)*)"
    r"|\[(?P<reference>(?!\^)[^\[\]]*)\]))",
    re.DOTALL,
)
"""Looks ahead only, so that an image inside a link is found too."""

DEFINITION = re.compile(
    r"^[ >]*\[(?P<name>[^\[\]^][^\[\]]*)\]:[ ]*\n?[ ]*(?P<target>\S+)[ ]*"
    r"(?:\n?[ ]*(?:\"[^\"\n]*\"|'[^'\n]*'|\([^)\n]*\))[ ]*)?$",
    re.MULTILINE,
)
FOOTNOTE = re.compile(r"(?<!\\)\[\^(?P<name>[^\[\]\s]+)\]")
FOOTNOTE_TEXT = re.compile(r"^[ >]*\[\^(?P<name>[^\[\]\s]+)\]:", re.MULTILINE)
ATTRIBUTE_ID = re.compile(r"\{:?[^{}\n]*?#([\w:.-]+)[^{}\n]*\}")


@dataclass(frozen=True)
class Link:
    """An address that a page names; `html` says that it stands in a tag."""

    line: int
    target: str
    image: bool = False
    html: bool = False


@dataclass
class Markup:
    """All that the prose of a page points at, and what in it can be pointed at."""

    links: list[Link] = field(default_factory=list)
    nameless: list[Link] = field(default_factory=list)
    """Images without alternative text."""
    undefined: list[tuple[int, str]] = field(default_factory=list)
    """References, and footnotes as `^name`, that the page does not define."""
    ids: set[str] = field(default_factory=set)


def visible(prose: str) -> str:
    """With spaces in place of what is hidden, so that lines and columns stay."""
    return HIDDEN.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), prose)


def read(prose: str, first: int) -> Markup:
    """`prose` is a page's text, from line `first` on, with empty lines where blocks of code are."""
    shown = visible(prose)
    markup = Markup()

    def line(place: int) -> int:
        return first + shown.count("\n", 0, place)

    defined = {}
    for match in DEFINITION.finditer(shown):
        target = match["target"].strip("<>")
        defined[_name(match["name"])] = target
        markup.links.append(Link(line(match.start("target")), target))
    for match in LINK.finditer(shown):
        at, image = line(match.start()), bool(match["image"])
        if match["target"] is None:
            name = _name(match["reference"] or match["text"])
            target = defined.get(name, "")
            if name not in defined:
                markup.undefined.append((at, name))
        else:
            target = match["target"].strip("<>")
            markup.links.append(Link(at, target, image))
        # Of the author's text, not the shown one: code is an alternative text too.
        if image and not prose[match.start("text") : match.end("text")].strip():
            markup.nameless.append(Link(at, target, image))
    footnotes = {f"^{match['name']}": line(match.start()) for match in FOOTNOTE.finditer(shown)}
    notes = {match["name"] for match in FOOTNOTE_TEXT.finditer(shown)}
    markup.undefined += [(at, name) for name, at in footnotes.items() if name[1:] not in notes]
    markup.ids = set(ATTRIBUTE_ID.findall(shown))
    markup.ids |= {f"{kind}:{name}" for name in notes for kind in ("fn", "fnref")}
    _Tags(shown, first, markup)
    return markup


def _name(text: str) -> str:
    """References are found without regard to case and spaces."""
    return " ".join(text.lower().split())


class _Tags(HTMLParser):
    """Adds what HTML between the Markdown holds."""

    def __init__(self, visible: str, first: int, markup: Markup) -> None:
        super().__init__()
        self.first, self.markup = first, markup
        self.feed(visible)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line = self.first + self.getpos()[0] - 1
        values = dict(attrs)
        if identifier := values.get("id") or (values.get("name") if tag == "a" else None):
            self.markup.ids.add(identifier)
        target = values.get({"a": "href", "img": "src"}.get(tag, ""))
        if target is not None:
            self.markup.links.append(Link(line, target, tag == "img", html=True))
        if tag == "img" and not (values.get("alt") or "").strip():
            self.markup.nameless.append(Link(line, target or "", image=True, html=True))
