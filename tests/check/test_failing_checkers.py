"""A checker that cannot check never lets a text pass."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from qa.check import Checker, CheckerFailed, Problem, checker_for_fence, program

Install = Callable[[str], None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a program named shellcheck next to a Python that has no other."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))

    def write(script: str) -> None:
        path = tmp_path / "shellcheck"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return write


def failure() -> str:
    checker = checker_for_fence("bash", {}, "")
    assert checker is not None
    with pytest.raises(CheckerFailed) as caught:
        checker.check("echo a\n")
    return str(caught.value)


def test_program_that_is_missing(install: Install, tmp_path: Path) -> None:
    path = str(tmp_path / "shellcheck")
    reason = f"[Errno 2] No such file or directory: {path!r}"
    assert failure() == f"shellcheck cannot be run: {reason}"


def test_program_that_crashes(install: Install) -> None:
    install("echo '{\"comments\": []}'; echo 内存不足 >&2; exit 3")
    assert failure() == "shellcheck failed: exit status 3: 内存不足"
    install("kill -9 $$")
    assert failure() == "shellcheck failed: exit status -9"


def test_program_that_prints_something_else(install: Install) -> None:
    install("exit 0")
    assert failure() == "shellcheck failed: its output is no JSON"
    install("echo '{}'")
    assert failure() == "shell could not check the text: KeyError: 'comments'"


def test_program_that_hangs(install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "SECONDS", 0.2)
    install("exec sleep 30")
    assert failure() == "shellcheck was not done after 0.2 s"


def test_settings_of_the_user_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".hadolint.yaml").write_text("ignored: [DL3006]\n")
    (tmp_path / ".shellcheckrc").write_text("disable=SC2154\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    monkeypatch.setenv("SHELLCHECK_OPTS", "-e SC2154")
    for language, text in (("dockerfile", "FROM debian\n"), ("bash", 'echo "$a"\n')):
        checker = checker_for_fence(language, {}, text)
        assert checker is not None
        assert len(checker.check(text)) == 1


def test_package_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "promql_parser", None)
    checker = checker_for_fence("promql", {}, "up")
    assert checker is not None
    with pytest.raises(CheckerFailed) as caught:
        checker.check("up")
    assert "promql could not check the text: ModuleNotFoundError" in str(caught.value)


def test_reasons_are_one_line_and_not_long() -> None:
    def find(text: str) -> list[Problem]:
        return [Problem(2, "b"), Problem(1, "a\n  a " + "x " * 400), Problem(2, "b")]

    first, second = Checker("test", (), find).check("text")
    assert first.reason.startswith("test: a a x x")
    assert len(first.reason) <= 300
    assert second == Problem(2, "test: b")
