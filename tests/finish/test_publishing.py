"""The site takes its place whole, wherever that is, and whenever the build is killed."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.finish.publishing import Publication
from tests import mkdocs_build
from tests.project import SampleProject

OLD = {"index.html": "old", "old/index.html": "old", "changes": "old", "a/x.svg": "old"}
NEW = {"index.html": "new", "new/index.html": "new", "changes/index.html": "new", "a": "new"}
CHANGES = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "open", "ctypes.get_errno"}
"""Audit events between which a process can be killed with another outcome."""


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def read(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def publish(site: Path) -> None:
    publication = Publication(site)
    write(publication.folder, NEW)
    publication.publish()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def site(tmp_path: Path) -> Path:
    write(tmp_path / "project" / "site", OLD)
    return tmp_path / "project" / "site"


@pytest.fixture(params=["in one step", "file by file"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "file by file":
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    return str(request.param)


@pytest.mark.usefixtures("way")
def test_the_new_one_replaces_the_old_one(site: Path) -> None:
    publish(site)
    assert read(site) == NEW
    assert names(site.parent) == ["site"]


def test_there_was_none(tmp_path: Path) -> None:
    publish(tmp_path / "deep" / "site")
    assert read(tmp_path / "deep" / "site") == NEW


def kill_at(step: int, site: Path) -> bool:
    """Publish in a process of its own that is killed before its `step`-th change of the disk."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    publication = Publication(site)
    write(publication.folder, NEW)
    left = step

    def count(event: str, _: object) -> None:
        nonlocal left
        left -= event in CHANGES
        if left < 0:
            os._exit(9)

    sys.addaudithook(count)
    publication.publish()
    os._exit(0)


def test_killed_at_any_moment(site: Path, way: str) -> None:
    step = 0
    while kill_at(step, site):
        step += 1
        found = read(site)
        assert set(found.values()) <= {"old", "new"}, "a file is half written"
        if way == "in one step":
            assert found in (OLD, NEW)
        publish(site)
        assert read(site) == NEW
        assert names(site.parent) == ["site"]
        shutil.rmtree(site)
        write(site, OLD)
    assert step > 3
    assert read(site) == NEW


def test_what_killed_builds_left_is_removed_and_nothing_else(site: Path) -> None:
    running = Publication(site)
    for name in ("old", "1.old", "x", f"{os.getpid()}", "1234"):
        write(site.parent / f".site.{name}.partial", OLD)
    (site.parent / ".site.file.partial").write_text("")
    (site.parent / ".site.link.partial").symlink_to(site)
    Publication(site).discard()
    kept = [running.folder.name, ".site.file.partial", ".site.link.partial", "site"]
    assert names(site.parent) == sorted(kept)
    assert read(site) == OLD
    running.discard()


def test_a_link_stays_one(site: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("project/site")
    for _ in range(2):
        publish(link)
        assert link.is_symlink()
        assert read(site) == NEW


@pytest.mark.parametrize("there", [False, True])
def test_a_link_to_an_empty_folder_or_to_none(tmp_path: Path, there: bool) -> None:
    (tmp_path / "link").symlink_to("www/html")
    if there:
        (tmp_path / "www/html/lost+found").mkdir(parents=True)
    publish(tmp_path / "link")
    assert read(tmp_path / "www/html") == NEW


@pytest.mark.parametrize("target", [".", "..", "files", "file", "link"])
def test_a_link_to_something_else_is_refused(tmp_path: Path, target: str) -> None:
    write(tmp_path / "project", {"docs/x.md": "x", "files/secret": "x", "file": "x"})
    (tmp_path / "project/link").symlink_to(target)
    before = read(tmp_path)
    with pytest.raises(Failures) as caught:
        Publication(tmp_path / "project/link")
    (failure,) = caught.value.failures
    assert (failure.path, failure.code) == (tmp_path / "project/link", "site-place")
    assert read(tmp_path) == before


def test_a_link_inside_the_old_site_is_not_followed(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    write(tmp_path / "elsewhere", {"index.html": "theirs"})
    (site / "new").symlink_to(tmp_path / "elsewhere")
    publish(site)
    assert read(site) == NEW
    assert read(tmp_path / "elsewhere") == {"index.html": "theirs"}


def in_namespaces(sample: SampleProject, script: str) -> subprocess.CompletedProcess[str]:
    """Where disks can be mounted without being root."""
    script = script.format(root=sample.root, build=f"{mkdocs_build.BUILD} -q")
    return mkdocs_build.run_script(sample.root.parent, script, "--mount")


READ_ONLY = "mount --bind {root} {root}; mount -o remount,bind,ro {root}; cd {root}; "


def test_a_disk_of_its_own(sample: SampleProject) -> None:
    script = (
        "mount -t tmpfs none {root}/site; cd {root}; {build}; {build};"
        "test -e site/training/sum/index.html; ls -A . | grep partial && exit 7; true"
    )
    done = in_namespaces(sample, script)
    assert done.returncode == 0, done.stderr


def test_a_parent_that_is_read_only(sample: SampleProject) -> None:
    script = (
        "mount --bind {root}/.cache {root}/.cache; mount --bind {root}/site {root}/site;"
        "rm {root}/site/index.html;"
        + READ_ONLY.replace("--bind", "--rbind")
        + "{build}; test -e site/index.html"
    )
    done = in_namespaces(sample, script)
    assert done.returncode == 0, done.stderr


def test_a_site_that_is_read_only(sample: SampleProject) -> None:
    done = in_namespaces(sample, "echo >> {root}/docs/zh/index.md; " + READ_ONLY + "{build}")
    assert done.returncode == 1
    assert "site:1: cannot be written: " in done.stderr
    assert "Traceback" not in done.stderr
    assert sample.path("site/index.html").exists()


def test_a_cache_that_is_read_only_and_complete_is_enough(sample: SampleProject) -> None:
    shutil.rmtree(sample.path(".cache/qa/memo"))
    mount = "mount --bind {root}/.cache {root}/.cache; mount -o remount,bind,ro {root}/.cache; "
    done = in_namespaces(sample, mount + "cd {root}; {build}")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", [".cache", ".cache/qa", ".cache/qa/results", ".cache/qa/memo"])
def test_a_cache_that_is_none(sample: SampleProject, name: str) -> None:
    shutil.rmtree(sample.path(name))
    sample.path(name).write_text("")
    done = sample.build("-q")
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if ":1: " in line]
    assert len(lines) == done.returncode, done.stderr
    assert all("Not a directory" in line or "File exists" in line for line in lines)


def test_a_record_that_is_none(sample: SampleProject) -> None:
    (record,) = sample.path(".cache/qa/results").iterdir()
    record.unlink()
    record.mkdir()
    done = sample.build("-q")
    assert "sum.py:1: passed, but its result could not be kept: " in done.stderr
    assert "Traceback" not in done.stderr
