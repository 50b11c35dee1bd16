"""The feed says what is new, the newest first, and leads to its place."""

from __future__ import annotations

from xml.etree import ElementTree

from qa.pages import feed
from qa.pages.feed import Entry

ATOM = "{http://www.w3.org/2005/Atom}"
ADDRESS = "https://site.example/en/"
ENTRIES = [
    Entry(f"{ADDRESS}c/#first", "First.", "2026-01-31", "2026-01-31"),
    Entry(f"{ADDRESS}c/#second", "Second & more.", "2026-02-01", "2026-02-01"),
    Entry(f"{ADDRESS}a/b/", "How?", "2026-01-31", "2026-01-30", "What <it> says."),
]


def test_the_newest_stands_first_and_dates_the_feed() -> None:
    found = ElementTree.fromstring(feed.write(ENTRIES, "en", f"{ADDRESS}feed.xml", ADDRESS))
    assert found.findtext(f"{ATOM}updated") == "2026-02-01T00:00:00Z"
    assert found.findtext(f"{ATOM}title") == "Large-Model Engineering Q&A: changes"
    entries = found.findall(f"{ATOM}entry")
    titles = [each.findtext(f"{ATOM}title") for each in entries]
    assert titles == ["Second & more.", "First.", "How?"]
    assert entries[1].findtext(f"{ATOM}id") == f"{ADDRESS}c/#first"


def test_a_page_comes_with_its_summary_and_both_dates() -> None:
    found = ElementTree.fromstring(feed.write(ENTRIES[2:], "en", f"{ADDRESS}feed.xml", ADDRESS))
    (entry,) = found.findall(f"{ATOM}entry")
    texts = [entry.findtext(f"{ATOM}{name}") for name in ("summary", "published", "updated")]
    assert texts == ["What <it> says.", "2026-01-30T00:00:00Z", "2026-01-31T00:00:00Z"]


def test_without_entries_it_is_a_feed_all_the_same() -> None:
    found = ElementTree.fromstring(feed.write([], "zh", f"{ADDRESS}feed.xml", ADDRESS))
    assert found.findtext(f"{ATOM}updated") and not found.findall(f"{ATOM}entry")
