"""What is remembered is believed only by the environment that worked it out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from qa.memo import Memo


def worked_out(folder: Path, answer: str) -> str:
    return str(Memo(folder, "1").get("name", "text", lambda: answer))


def test_it_is_remembered(tmp_path: Path) -> None:
    assert [worked_out(tmp_path, "one"), worked_out(tmp_path, "two")] == ["one", "one"]


def test_another_environment_does_not_find_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "theirs"))
    (tmp_path / "theirs").mkdir()
    worked_out(tmp_path / "memo", "theirs")
    monkeypatch.undo()
    assert worked_out(tmp_path / "memo", "ours") == "ours"


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000, "\xff"])
def test_what_is_damaged_is_worked_out_again(tmp_path: Path, content: str) -> None:
    worked_out(tmp_path, "one")
    (file,) = tmp_path.iterdir()
    file.write_text(content, encoding="latin-1")
    assert worked_out(tmp_path, "two") == "two"


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert worked_out(tmp_path / "file", "one") == "one"


def test_an_environment_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "nowhere"))
    monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
    assert worked_out(tmp_path / "memo", "one") == "one"
