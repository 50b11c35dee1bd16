"""Links, devices and names in a contribution are refused before anything reads them."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from qa import files
from qa.failures import Failures
from qa.files import path_below, write_zip
from qa.prepare import prepare
from qa.project import Project
from tests.project import SampleProject

SECRET = "a-token-of-the-builder"


def link_to(target: str | Path) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def bind(path: Path) -> None:
    # An address of a socket is short.
    here = Path.cwd()
    os.chdir(path.parent)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)
    os.chdir(here)


def sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(2**40)


def refused(sample: SampleProject) -> list[str]:
    """The places that are refused, without a notebook run or a page read."""
    with pytest.raises(Failures) as caught:
        prepare(Project(sample.root))
    return [
        f"{failure.path.relative_to(sample.root)} {failure.code}"
        for failure in caught.value.failures
    ]


@pytest.mark.parametrize("hidden", ["", "."])
@pytest.mark.parametrize(
    "target", ["/proc/self/environ", "/dev/zero", "/", "..", "../../../.git", "../corpus.yml"]
)
@pytest.mark.parametrize(
    "name", ["docs/assets", "docs/zh", "docs/en/training", "notebooks/training/sum", "dist"]
)
def test_links(sample: SampleProject, name: str, target: str, hidden: str) -> None:
    folder = sample.path(name)
    folder.mkdir(parents=True, exist_ok=True)
    (sample.root / ".git").mkdir()
    link = folder / f"{hidden}more.md"
    link.symlink_to(target)
    expected = [f"{name}/{hidden}more.md link"] if link.exists() else []
    assert (refused(sample) if expected else expected) == expected


@pytest.mark.parametrize(
    "name", ["docs", "docs/zh", "docs/en/training", "notebooks", "notebooks/training", "dist"]
)
def test_a_folder_that_is_a_link(sample: SampleProject, name: str) -> None:
    folder, elsewhere = sample.path(name), sample.root.with_name("elsewhere")
    folder.mkdir(exist_ok=True)
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)
    assert refused(sample) == [f"{name} link"]


@pytest.mark.parametrize(
    ("make", "code"),
    [(os.mkfifo, "special-file"), (bind, "special-file"), (sparse, "file-size")],
)
@pytest.mark.parametrize("name", ["docs/zh/x.md", "docs/x.png", "notebooks/training/x.py"])
def test_pipes_sockets_and_endless_files(
    sample: SampleProject, name: str, make: Callable[[Path], None], code: str
) -> None:
    make(sample.path(name))
    assert refused(sample) == [f"{name} {code}"]


def test_the_environment_of_the_builder_is_not_published(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_SECRET", SECRET)
    sample.path("docs/assets").mkdir()
    sample.path("docs/assets/x.txt").symlink_to("/proc/self/environ")
    done = sample.build()
    assert done.returncode == 1
    assert "docs/assets/x.txt:1: is a link: put the file itself here" in done.stderr
    assert SECRET not in done.stderr
    assert not sample.path("site/assets/x.txt").exists()


BAD = (
    "a b", "a.", "a ", "-x", "aux", "COM1.md", "é.md", "e\u0301.md", "\u202egpj.md",
    "a\nb", "a\x1b]8;;b", "x" * 90, "a%2e.md", "a:b", 'a"b', "a\\b", "$x", "\udcff",
)  # fmt: skip


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("folder", ["docs/zh", "notebooks/training", "notebooks/training/sum"])
def test_names(sample: SampleProject, folder: str, name: str) -> None:
    sample.path(folder).mkdir(exist_ok=True)
    path = sample.path(folder) / name
    path.write_text("x")
    with pytest.raises(Failures) as caught:
        prepare(Project(sample.root))
    (failure,) = caught.value.failures
    assert (failure.path, failure.code) == (path, "file-name")
    assert all(character.isprintable() for character in str(failure))
    str(failure).encode()


def test_names_that_differ_in_case(sample: SampleProject) -> None:
    sample.write("docs/zh/Training/x.md", "# X\n")
    assert refused(sample) == ["docs/zh/training file-name"]


def test_a_path_that_some_systems_cannot_unpack(sample: SampleProject) -> None:
    sample.write(f"notebooks/training/sum/{'/'.join(['x' * 50] * 4)}/y.txt", "x")
    assert "file-name" in refused(sample)[0]


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "", ".", "a//../x", "con", "a\0b"])
def test_what_is_written_lies_in_its_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        path_below(tmp_path, name)
    with pytest.raises(ValueError, match="name"):
        write_zip(tmp_path / "x.zip", [(name, b"")])


def test_what_is_written_does_not_follow_a_link(tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "runs").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="outside"):
        path_below(tmp_path / "site", "runs/x.svg")


def test_a_pair_is_not_written_through_a_link(sample: SampleProject) -> None:
    target = sample.root.with_name("target")
    pair = sample.path("notebooks/training/sum.ipynb")
    pair.unlink()
    pair.symlink_to(target)  # which leads nowhere, as long as nobody writes there
    sample.sync()
    assert not target.exists()
    assert files.is_written(pair, sample.root)
    assert not pair.is_symlink()


@pytest.mark.parametrize("name", ["../../../docs/assets/x", "a/b", "..", "-", "é", "a b", "con"])
def test_names_of_cells(sample: SampleProject, name: str) -> None:
    notebook = "notebooks/training/sum.py"
    line = sample.replace(notebook, '# %% name="figure"', f'# %% name="{name}"')
    with pytest.raises(Failures) as caught:
        prepare(Project(sample.root))
    place = sample.path(notebook), line, "cell-name"
    assert place in [(each.path, each.line, each.code) for each in caught.value.failures]
    assert not list(sample.path("docs").rglob("*.svg"))
