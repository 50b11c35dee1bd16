"""The sections of an article, as plain text to search in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lxml import etree, html
from lxml.html import HtmlElement

HEADINGS = {"h1", "h2", "h3", "h4", "h5", "h6"}
ENTRY = "data-entry"
"""On an element with an id that is found by itself, in a list of many: its text is a title, and the
value a word on its state, which results show."""
# What is no text, what stands there a second time for other readers, and what a run showed.
LEFT_OUT = {"button", "math", "object", "script", "style", "svg", "template"}
HIDDEN = {"aria-hidden", "data-search-exclude"}
MARKS = {"headerlink", "linenodiv", "qa-about", "qa-back", "qa-output", "qa-run", "qa-table"}
MARKS |= {"qa-sourced", "qa-unfold"}
SECTIONS_LEFT_OUT = {"related"}
# All other elements part the words around them, and those of LINES the sentences too.
WITHIN_WORDS = {"a", "abbr", "b", "del", "em", "i", "ins", "mark", "small", "span", "strong", "u"}
LINES = {*HEADINGS, "blockquote", "dd", "details", "div", "dt", "figcaption", "li", "p", "pre"}
LINES |= {"summary", "tr"}
SPACE = re.compile(r"[^\S\n]+")
BREAK = re.compile(r"\s*\n\s*")
WORD = re.compile(r"[^\W\d][\w-]+")


@dataclass
class Section:
    """`anchor` is empty for what stands below the page's own title."""

    anchor: str = ""
    state: str | None = None
    title: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    code: list[str] = field(default_factory=list)


def sections(article: str) -> list[dict[str, str]]:
    """Of the HTML inside an article: `anchor`, `title`, the prose as `text`, a line each block, and
    the words of its `code`, down to the next heading. A box that opens on demand is one, if it has
    an id; so is an entry of a list, with its `state`."""
    root = html.fragment_fromstring(article, create_parent="div")
    found = [here := Section()]
    around: list[tuple[HtmlElement, Section]] = []
    heading: HtmlElement | None = None
    walk = etree.iterwalk(root, events=("start", "end", "comment"))
    for event, element in walk:
        starts = event == "start"
        if starts and (element.tag == "pre" or _is_left_out(element)):
            if element.tag == "pre":
                here.code += WORD.findall(element.text_content())
            walk.skip_subtree()
            continue
        if starts and heading is None and _is_title(element):
            anchor, is_first = element.get("id"), not _is_filled(here)
            if anchor and not is_first:
                found.append(here := Section(anchor, element.get(ENTRY)))
            heading = element if anchor or is_first else None
        elif starts and heading is None and element.tag == "details" and element.get("id"):
            around.append((element, here))
            found.append(here := Section(element.get("id")))
        elif starts and around and element.tag == "summary" and not _is_filled(here):
            heading = element
        parts = here.text if heading is None else here.title
        if event != "comment" and element.tag not in WITHIN_WORDS:
            parts.append("\n" if element.tag in LINES else " ")
        if not starts and element is heading:
            heading = None
            parts = here.text
        if not starts and around and element is around[-1][0]:
            here = around.pop()[1]
            parts = here.text
        parts.append((element.text if starts else element.tail) or "")
    return [_record(each) for each in found if each.anchor not in SECTIONS_LEFT_OUT]


def _record(section: Section) -> dict[str, str]:
    record = {
        "anchor": section.anchor,
        "title": _plain(section.title).replace("\n", " "),
        "text": _plain(section.text),
        "code": " ".join(dict.fromkeys(section.code)),
    }
    return record if section.state is None else {**record, "state": section.state}


def _is_title(element: HtmlElement) -> bool:
    return element.tag in HEADINGS or (ENTRY in element.attrib and "id" in element.attrib)


def _is_left_out(element: HtmlElement) -> bool:
    return (
        element.tag in LEFT_OUT
        or not HIDDEN.isdisjoint(element.attrib)
        or not MARKS.isdisjoint(_classes(element))
        or (element.tag == "summary" and "qa-code" in _classes(element.getparent()))
    )


def _classes(element: HtmlElement) -> list[str]:
    return str(element.get("class", "")).split()


def _is_filled(section: Section) -> bool:
    return bool(_plain(section.title) or _plain(section.text))


def _plain(parts: list[str]) -> str:
    return BREAK.sub("\n", SPACE.sub(" ", "".join(parts))).strip()
