"""What `qa check` finds is what a build finds, and what neither can do is one line."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import mkdocs_build
from tests.mkdocs_build import Done
from tests.project import SampleProject

SETTINGS = "mkdocs.yml"


def both(sample: SampleProject) -> tuple[Done, Done]:
    return sample.build(), mkdocs_build.check(sample.root)


def said(done: Done) -> str:
    assert "Traceback" not in done.stderr
    assert "fault in the build" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (
            "validation: {",
            "nav: [index.md]\nvalidation: {nav: {omitted_files: warn}, ",
            "questions.md",
        ),
        ("theme:", "nav: [index.md, questions.md, training/sum.md, nowhere.md]\ntheme:", "nowhere"),
        ("theme:", "theem: {}\ntheme:", "theem"),
        ("theme:", "nav: 3\ntheme:", "nav"),
        ("theme:", "theme: [\n", "mkdocs.yml"),
        ("name: material", "name: nowhere", "nowhere"),
        ("- search", "- nothing", "nothing"),
        ("attr_list,", "nothing,", "nothing"),
        ("hooks: [", "hooks: [nowhere.py, ", "nowhere.py"),
        ("{name: material,", "{name: material, custom_dir: nowhere,", "nowhere"),
    ],
)
def test_settings(sample: SampleProject, old: str, new: str, reason: str) -> None:
    sample.replace(SETTINGS, old, new)
    for done in both(sample):
        assert done.returncode == 1, done.stderr
        assert reason in said(done)


def test_settings_in_another_encoding(sample: SampleProject) -> None:
    path = sample.path(SETTINGS)
    path.write_bytes(path.read_text().encode("gbk"))
    for done in both(sample):
        assert done.returncode == 1, done.stderr
        assert "mkdocs.yml" in said(done)


def test_a_good_project(sample: SampleProject) -> None:
    site = sample.path("site")
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
    done = mkdocs_build.check(sample.root)
    assert done.returncode == 0, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("Examples: 1, of which 0 ran now; ")
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*")} == before


def test_a_folder_without_settings(tmp_path: Path) -> None:
    (tmp_path / "notebooks").mkdir()
    done = mkdocs_build.check(tmp_path)
    assert done.returncode == 1
    assert "mkdocs.yml" in said(done)


@pytest.mark.parametrize("command", [mkdocs_build.BUILD, mkdocs_build.CHECK])
def test_a_full_disk(sample: SampleProject, command: str) -> None:
    fill = "cat /dev/zero > .cache/fill 2>/dev/null || true; exec "
    mount = "mount -t tmpfs -o size=100k none .cache; "
    done = mkdocs_build.run_script(sample.root, mount + fill + command, "--mount")
    assert done.returncode == 1
    assert "No space left on device" in said(done)


@pytest.mark.parametrize("command", [mkdocs_build.BUILD, mkdocs_build.CHECK])
def test_a_disk_on_which_the_site_has_no_room(sample: SampleProject, command: str) -> None:
    sample.write(SETTINGS, sample.path(SETTINGS).read_text() + "site_dir: small/site\n")
    sample.path("small").mkdir()
    mount = "mount -t tmpfs -o size=300k none small; TMPDIR=$PWD/small exec "
    done = mkdocs_build.run_script(sample.root, mount + command, "--mount")
    assert done.returncode == 1
    assert "No space left on device" in said(done)


def test_a_build_needs_no_variable_of_the_builder(sample: SampleProject) -> None:
    sample.replace("notebooks/training/sum.py", 'print("total", total)', "print(total)")
    sample.sync()
    done = subprocess.run(
        [*mkdocs_build.MKDOCS, "build"], cwd=sample.root, env={}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "of which 1 ran now" in done.stderr
