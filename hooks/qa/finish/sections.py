"""The sections of an article, as plain text to search in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree, html
from lxml.html import HtmlElement

HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
# What is no text, and what stands there a second time for other readers.
LEFT_OUT = {"button", "math", "object", "script", "style", "svg", "template"}
HIDDEN = {"aria-hidden", "data-search-exclude"}
MARKS = {"headerlink", "linenodiv", "qa-back", "qa-code", "qa-unfold"}
# All other elements part the words around them.
WITHIN_WORDS = {"a", "abbr", "b", "del", "em", "i", "ins", "mark", "small", "span", "strong", "u"}
SPACE = re.compile(r"\s+")


@dataclass
class Section:
    """`anchor` is empty for what stands below the page's own title."""

    anchor: str = ""
    title: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)


def sections(article: str) -> list[dict[str, str]]:
    """Of the HTML inside an article: `anchor`, `title` and `text` of each, down to the next
    heading. A box that opens on demand is one, if it has an id."""
    root = html.fragment_fromstring(article, create_parent="div")
    found = [here := Section()]
    around: list[tuple[HtmlElement, Section]] = []
    heading: HtmlElement | None = None
    walk = etree.iterwalk(root, events=("start", "end", "comment"))
    for event, element in walk:
        starts = event == "start"
        if starts and _is_left_out(element):
            walk.skip_subtree()
            continue
        if starts and heading is None and element.tag in HEADINGS:
            anchor, is_first = element.get("id"), not _is_filled(here)
            if anchor and not is_first:
                found.append(here := Section(anchor))
            heading = element if anchor or is_first else None
        elif starts and heading is None and element.tag == "details" and element.get("id"):
            around.append((element, here))
            found.append(here := Section(element.get("id")))
        elif starts and around and element.tag == "summary" and not _is_filled(here):
            heading = element
        parts = here.text if heading is None else here.title
        if event != "comment" and element.tag not in WITHIN_WORDS:
            parts.append(" ")
        if not starts and element is heading:
            heading = None
            parts = here.text
        if not starts and around and element is around[-1][0]:
            here = around.pop()[1]
            parts = here.text
        parts.append((element.text if starts else element.tail) or "")
    return [
        {"anchor": each.anchor, "title": _plain(each.title), "text": _plain(each.text)}
        for each in found
    ]


def _is_left_out(element: HtmlElement) -> bool:
    classes = element.get("class", "").split()
    return (
        element.tag in LEFT_OUT
        or not HIDDEN.isdisjoint(element.attrib)
        or not MARKS.isdisjoint(classes)
    )


def _is_filled(section: Section) -> bool:
    return bool(_plain(section.title) or _plain(section.text))


def _plain(parts: list[str]) -> str:
    return SPACE.sub(" ", "".join(parts)).strip()
