"""Facts on a page: quiet links, and a list with dates and sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.check.pages import check_values
from qa.facts import Facts
from qa.pages import page as pages
from qa.pages import sourced
from qa.pages.content import Content
from qa.pages.page import Page
from qa.pages.render import render
from tests.test_facts import read

TEXT = "# T\n\nIt holds {{ facts.chip.memory_gb:,}} GB.\n"


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Facts:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1791000000")  # 2026-10-03
    return read(tmp_path)


def page_of(folder: Path, text: str = TEXT) -> Page:
    path = folder / "n.md"
    path.write_text(text, encoding="utf-8")
    return pages.read(path, "en", "t/n")


def test_a_fact_leads_to_its_place_in_the_list(tmp_path: Path, known: Facts) -> None:
    page = page_of(tmp_path)
    lines = render(page, Content(known.values))
    link = '<a class="qa-value" id="value-1" href="#fact-chip-memory_gb">80</a> GB.'
    assert lines[2] == f"It holds {link}"
    box = "\n".join(sourced.box(page, known.named(["chip.memory_gb"]), known))
    assert '\n??? qa-sourced "Facts on this page that change (1)"\n\n    - **Chip** · ' in box
    assert '<span id="fact-chip-memory_gb">memory: 80 GB</span> (as of 2026-01-31, ' in box
    assert "[Data sheet](https://x.example/chip))" in box


def test_one_that_is_past_its_review_says_so(tmp_path: Path, known: Facts) -> None:
    page = page_of(tmp_path)
    (item,) = sourced.plain(page, known.named(["engine"]), known)[3:]
    assert item.startswith("- **Engine** · share: 0.92 (as of 2026-03-31, **to be reviewed since 2")
    assert "reviewed" not in "".join(sourced.plain(page, known.named(["chip"]), known))


def test_a_page_without_facts_has_no_list(tmp_path: Path, known: Facts) -> None:
    assert not sourced.box(page_of(tmp_path), [], known)


def test_the_list_of_all_leads_to_the_pages_that_use_them(tmp_path: Path, known: Facts) -> None:
    page = page_of(tmp_path, "# T\n\n``` facts\n```\n")
    lines = sourced.listing(page, known, {"chip": ["a/b"]}, {"a/b": "Title"})
    assert "- Used by: [Title](../a/b.md)" in lines
    assert [line for line in lines if "data-entry" in line] == [
        '**<span id="chip" data-entry="">Chip</span>**',
        '**<span id="engine" data-entry="">Engine</span>**',
    ]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("facts.chip.memory_gb:,", ""),
        ("facts.chip.memory", 'is no fact; did you mean "chip.memory_gb"? [fact-unknown]'),
        ("facts.chip", "is no fact"),
        ("facts.chip.memory_gb:%Y", "(int) cannot be written as"),
    ],
)
def test_what_a_page_may_name(tmp_path: Path, known: Facts, value: str, fault: str) -> None:
    page = page_of(tmp_path, f"# T\n\n{{{{ {value}}}}}\n")
    found = list(map(str, check_values(page, {**known.values}, "the build")))
    assert len(found) == bool(fault)
    assert fault in "".join(found)
