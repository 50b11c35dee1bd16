"""The list of what is new: bad entries are named with their line, and pages get their dates."""

from __future__ import annotations

from pathlib import Path

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


def test_a_page_came_with_the_first_change_that_names_it_and_changed_with_the_last(
    tmp_path: Path,
) -> None:
    found = read(tmp_path, ENTRY.replace("  id:", "  pages: [a/b, a/c]\n  id:"))
    assert found.dates("a/b") == found.dates("a/c") == ("2026-01-31", "2026-02-01")
    only_first = ENTRY.replace("  id: first", "  pages: [a/b]\n  id: first")
    assert read(tmp_path, only_first).dates("a/b") == ("2026-01-31", "2026-01-31")
    assert read(tmp_path, ENTRY).dates("a/b") is None


def test_without_a_list_nothing_is_new(tmp_path: Path) -> None:
    assert changes.read(tmp_path / "changes.yml").entries == ()
