"""The home page shows a broken example and what the build prints: both are those of a project that
is made as a canary is. Other tools are not measured by it: its fault is that of failed-assertion."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from qa.run import notebook as notebooks
from tests.canaries import test_canaries as canaries
from tests.project import ROOT

NAME = "claim-that-is-false"
NOTEBOOK = "notebooks/serving/kv-cache.py"
FENCE = re.compile(r"^``` (\w+)[^\n]*\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("home") / "project"
    canaries.make(NAME, root)
    return canaries.build(root).stderr


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_home_page_shows_what_the_build_really_prints(printed: str, language: str) -> None:
    home = (ROOT / f"docs/{language}/index.md").read_text(encoding="utf-8")
    shown = dict(FENCE.findall(home.partition("#proof")[2]))
    (cell,) = notebooks.read(Path(canaries.HERE, NAME, NOTEBOOK)).code
    assert shown["python"] == cell.source.strip()
    assert f'title="{NOTEBOOK}"' in home
    assert shown["text"] in printed and shown["text"].startswith("1 failure\n")
    claim = (canaries.HERE / NAME / f"docs/{language}/serving/kv-cache.md").read_text("utf-8")
    sentence = claim.partition('name="kv-cache"\n')[2].partition("\n")[0]
    assert sentence.rstrip("。.") in home
