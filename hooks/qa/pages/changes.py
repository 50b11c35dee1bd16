"""What is new on the site: a list on a page, and a feed (Atom, RFC 4287) a language."""

from __future__ import annotations

import datetime
import html
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin
from xml.etree import ElementTree as ET

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages.inert import inert_html
from qa.pages.page import Page
from qa.words import WORDS

TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
FORM = [{"date": str, "id": forms.Name, **TEXTS}]
ATOM = "http://www.w3.org/2005/Atom"


@dataclass(frozen=True)
class Change:
    """`date` is that of the change, in ISO 8601; `id` never changes and is an anchor."""

    date: str
    id: str
    text: dict[str, str]


@dataclass(frozen=True)
class Changes:
    """The newest first."""

    path: Path
    entries: tuple[Change, ...] = ()


def read(path: Path) -> Changes:
    """Raises Failures, with lines, for what does not have the form or order, or stands twice."""
    if not path.exists():
        return Changes(path)
    found = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, found, FORM, "changes"))
    if failures:
        raise Failures(failures)
    seen: set[str] = set()
    last = "9999-12-31"
    for entry in found:
        line, date = entry.lines["date"], entry["date"]
        try:
            datetime.date.fromisoformat(date)
        except ValueError:
            failures.append(
                Failure(path, line, f'no date "{date}": write "2026-01-31"', code="changes")
            )
        if date > last:
            failures.append(Failure(path, line, "the newest change stands first", code="changes"))
        if entry["id"] in seen:
            failures.append(
                Failure(path, entry.lines["id"], f'id "{entry["id"]}" stands twice', code="changes")
            )
        seen.add(entry["id"])
        last = date
    if failures:
        raise Failures(failures)
    entries = (
        Change(entry["date"], entry["id"], {each: entry[each] for each in LANGUAGES})
        for entry in found
    )
    return Changes(path, tuple(entries))


def lines(page: Page, changes: Changes) -> list[str]:
    out = ['<dl class="qa-changes">']
    for change in changes.entries:
        text = inert_html(html.escape(change.text[page.language]))
        out.append(f'<dt id="{change.id}"><time>{change.date}</time></dt><dd>{text}</dd>')
    return [*out, "</dl>", ""]


def feed(changes: Changes, language: str, address: str, page: str) -> str:
    """The feed at `address`; entries lead to the anchors of the list of changes, at `page`."""
    words = WORDS[language]
    root = ET.Element("feed", {"xmlns": ATOM, "xml:lang": language})
    ET.SubElement(root, "title").text = words.changes_of.format(site=words.site)
    ET.SubElement(root, "id").text = address
    ET.SubElement(root, "link", {"rel": "self", "href": address})
    ET.SubElement(root, "link", {"href": page})
    newest = changes.entries[0].date if changes.entries else "1970-01-01"
    ET.SubElement(root, "updated").text = f"{newest}T00:00:00Z"
    author = ET.SubElement(root, "author")
    ET.SubElement(author, "name").text = words.site
    for change in changes.entries:
        entry = ET.SubElement(root, "entry")
        ET.SubElement(entry, "title").text = change.text[language]
        ET.SubElement(entry, "id").text = urljoin(page, f"#{change.id}")
        ET.SubElement(entry, "link", {"href": urljoin(page, f"#{change.id}")})
        ET.SubElement(entry, "updated").text = f"{change.date}T00:00:00Z"
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"
