"""The list of what is new: bad entries are named with their line, and the feed says the same."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from qa.failures import Failures
from qa.pages import changes

ENTRY = """\
- date: "2026-02-01"
  id: second
  zh: 第二。
  en: Second & more.
- date: "2026-01-31"
  id: first
  zh: 第一。
  en: First.
"""
ATOM = "{http://www.w3.org/2005/Atom}"


def read(folder: Path, text: str) -> changes.Changes:
    path = folder / "changes.yml"
    path.write_text(text, encoding="utf-8")
    return changes.read(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('"2026-02-01"', "2026-02-01", "1: date is no text"),
        ("2026-02-01", "2026-02-30", '1: no date "2026-02-30": write "2026-01-31"'),
        ("2026-01-31", "2026-03-01", "5: the newest change stands first"),
        ("id: first", "id: second", '6: id "second" stands twice'),
        ("  en: First.\n", "", '5: an entry of changes has no "en"'),
    ],
)
def test_bad_entries(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(Failures) as caught:
        read(tmp_path, ENTRY.replace(old, new))
    assert [f"{each.line}: {each.reason}" for each in caught.value.failures] == [reason]


def test_the_feed_has_every_change_and_leads_to_its_place(tmp_path: Path) -> None:
    found = read(tmp_path, ENTRY)
    text = changes.feed(
        found, "en", "https://site.example/en/feed.xml", "https://site.example/en/c/"
    )
    feed = ElementTree.fromstring(text)
    assert feed.findtext(f"{ATOM}updated") == "2026-02-01T00:00:00Z"
    assert feed.findtext(f"{ATOM}title") == "Large-Model Engineering Q&A: changes"
    entries = feed.findall(f"{ATOM}entry")
    assert [each.findtext(f"{ATOM}title") for each in entries] == ["Second & more.", "First."]
    assert entries[1].findtext(f"{ATOM}id") == "https://site.example/en/c/#first"


def test_without_a_list_nothing_is_new(tmp_path: Path) -> None:
    assert changes.read(tmp_path / "changes.yml").entries == ()
