"""The shared facts: what has not the form is named with its line, what is old is listed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from qa import facts
from qa.failures import Failures
from tests.project import ROOT, SampleProject
from tests.test_cli import qa

FACTS = """\
chip:
  title: {zh: 芯片, en: Chip}
  as_of: 2026-01-31
  review: 2027-01-31
  source: {title: Data sheet, url: "https://x.example/chip"}
  facts:
    memory_gb: {value: 80, unit: GB, what: {zh: 显存, en: memory}}
    power_w:
      value: 700
      as_of: 2026-02-28
engine:
  title: {zh: 引擎, en: Engine}
  facts:
    share:
      value: 0.92
      as_of: 2026-03-31
      review: 2026-09-30
      source: {title: Source, url: "https://x.example/engine"}
"""


def read(folder: Path, text: str = FACTS) -> facts.Facts:
    path = folder / "facts.yml"
    path.write_text(text, encoding="utf-8")
    return facts.read(path)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("memory_gb:", "power_w:", '8: no YAML: "power_w" stands twice'),
        ("engine:", "chip:", '11: no YAML: "chip" stands twice'),
        ("engine:", "bus:", '11: groups stand in the order of their names: "bus" before "chip"'),
        ("share:", "my share:", '14: "my share" is no name'),
        ("2026-01-31", '"2026-01-31"', "3: as_of is no date: write 2026-01-31"),
        ("2026-03-31", "2026-03-32", "16: no YAML: day is out of range for month"),
        ("https://x.example/engine", "x.example", '18: "x.example" is no address'),
        ("https://x.example/engine", "https://x.example/(a", '18: "https://x.example/(a" is no'),
        ("2026-09-30", "2026-03-31", "17: engine.share is to be reviewed on 2026-03-31, which"),
        ("  review: 2027-01-31\n", "", '6: chip.memory_gb has no "review", and neither has its'),
        ("value: 0.92", "value: [1]", "15: the value of engine.share is no number, text, true"),
        ("value: 0.92", "value: 9e3", "15: 9e3 is a text to YAML: a number is written 1.5e+12"),
        ("value: 0.92", "vale: 0.92", '15: share has no "value"'),
        ("title: {zh: 引擎, en: Engine}", "title: x", "12: title is no mapping with zh, en"),
    ],
)
def test_what_has_not_the_form(tmp_path: Path, old: str, new: str, reason: str) -> None:
    with pytest.raises(Failures) as caught:
        read(tmp_path, FACTS.replace(old, new))
    found = [f"{each.line}: {each.reason}" for each in caught.value.failures]
    assert any(each.startswith(reason) for each in found), found


def test_a_group_says_for_its_facts_what_they_do_not_say(tmp_path: Path) -> None:
    found = read(tmp_path).by_id
    assert found["chip.memory_gb"].as_of == date(2026, 1, 31)
    assert found["chip.power_w"].as_of == date(2026, 2, 28)
    assert found["chip.power_w"].source.title == "Data sheet"


def test_from_the_day_of_its_review_a_fact_is_overdue(tmp_path: Path) -> None:
    found = read(tmp_path)
    assert not found.overdue(date(2026, 9, 29))
    assert [fact.id for fact in found.overdue(date(2026, 9, 30))] == ["engine.share"]


def test_the_day_of_a_build_can_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "86400")
    assert facts.today() == date(1970, 1, 2)


def test_stale_facts_are_listed_and_break_nothing(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write("docs/facts.yml", FACTS)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1791000000")  # 2026-10-03
    done = qa(sample, "check", "--stale")
    assert done.returncode == 0
    shown = "docs/facts.yml:14: engine.share = 0.92, to be reviewed since 2026-09-30\n"
    assert done.stdout == shown


def test_no_fact_of_the_site_is_a_duplicate_of_another() -> None:
    known = facts.read(ROOT / "docs/facts.yml").by_id.values()
    texts = [(f.group, f.what.get("en", f.name)) for f in known]
    assert len(texts) == len(set(texts)) > 0
