"""What is new, for programs that follow the site: a feed (Atom, RFC 4287)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from qa.words import WORDS

ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Entry:
    """Something at an `address`, which is also its lasting id. Dates are in ISO 8601."""

    address: str
    title: str
    updated: str
    published: str
    summary: str = ""


def write(entries: Iterable[Entry], language: str, address: str, page: str) -> str:
    """The text of the feed at `address`, the newest first; `page` shows the same to people."""
    words = WORDS[language]
    newest_first = sorted(entries, key=lambda entry: entry.updated, reverse=True)
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": language})
    ET.SubElement(root, "title").text = words.changes_of.format(site=words.site)
    ET.SubElement(root, "id").text = address
    ET.SubElement(root, "link", {"rel": "self", "href": address})
    ET.SubElement(root, "link", {"href": page})
    newest = newest_first[0].updated if newest_first else "1970-01-01"
    ET.SubElement(root, "updated").text = _time(newest)
    author = ET.SubElement(root, "author")
    ET.SubElement(author, "name").text = words.site
    for each in newest_first:
        entry = ET.SubElement(root, "entry")
        ET.SubElement(entry, "title").text = each.title
        ET.SubElement(entry, "id").text = each.address
        ET.SubElement(entry, "link", {"href": each.address})
        ET.SubElement(entry, "published").text = _time(each.published)
        ET.SubElement(entry, "updated").text = _time(each.updated)
        if each.summary:
            ET.SubElement(entry, "summary").text = each.summary
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _time(date: str) -> str:
    return f"{date}T00:00:00Z"
