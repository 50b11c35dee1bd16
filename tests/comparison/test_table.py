"""The published table says what was measured, of what there is now."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.pages import comparison
from qa.pages.comparison import SITE, read, table
from qa.pages.page import Page
from qa.words import WORDS
from qa.yaml_lines import Record
from tests.comparison.contestants import OTHERS, ROOT
from tests.comparison.faults import CANARIES, find

TABLE = read(ROOT / "docs/comparison.yml")


def test_every_fault_of_the_kind_is_compared_and_no_other() -> None:
    assert list(TABLE.canaries) == list(find())


def test_this_site_locates_every_fault() -> None:
    others = {name: row[SITE] for name, row in TABLE.canaries.items() if row[SITE] != "located"}
    assert not others


def test_the_versions_are_those_locked() -> None:
    locked = (ROOT / "requirements-bench.txt").read_text(encoding="utf-8")
    assert TABLE.versions.keys() == OTHERS.keys()
    for tool, version in TABLE.versions.items():
        assert f"\n{tool}=={version}\n" in locked


def test_a_fault_lies_where_its_canary_expects_it() -> None:
    fault = find()["exception"]
    assert (fault.file, fault.line, fault.cell, fault.line_of_cell) == ("training/sum.py", 7, 2, 2)
    for message in (
        'notebooks/training/sum.py:7: cell "fault": ZeroDivisionError',
        "Cell In[2], line 2, in share(parts)",
        'File "<code block: session sum; n2>", line 2, in share',
    ):
        assert fault.is_located(message)
    for message in ("Cell In[2], line 5", "Cell In[1], line 2", "sum.py:70: no", "line 2", ""):
        assert not fault.is_located(message)
    assert "no-assertion" not in find() and (CANARIES / "no-assertion").exists()


def test_a_page_shows_every_outcome_in_its_language() -> None:
    for language in ("zh", "en"):
        page = Page(Path("x.md"), language, "x", Record(), [], 1)
        lines = table(page, TABLE)
        assert len(lines) == len(TABLE.canaries) + 5
        for name, row in TABLE.canaries.items():
            words = [WORDS[language].outcomes[row[tool]] for tool in TABLE.tools]
            assert f"| <code>{name}</code> | {' | '.join(words)} |" in lines


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("qa: located", "qa: locatd", r'.*"locatd" is no outcome; did you mean "located".*'),
        ("qa: located, ", "", r'.* has no "qa"'),
        ("date:", "dates:", r'.*"date".*'),
        ("versions: {", "versions: [{", r".*no.*"),
    ],
)
def test_a_malformed_table_is_refused(old: str, new: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "comparison.yml"
    text = TABLE.path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(Failures) as caught:
        comparison.read(path)
    assert any(re.fullmatch(reason, failure.reason) for failure in caught.value.failures)
