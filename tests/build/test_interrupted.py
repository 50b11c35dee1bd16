"""Builds that are killed, that run beside another, or whose disk is full: nothing is lost."""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Callable

import psutil
import pytest

from tests import mkdocs_build
from tests.project import SampleProject

# Tests that run beside this one have sleepers of their own.
MARK = f"3600.{os.getpid()}"
SLOW = f'# %% name="slow"\nimport subprocess\n\nassert not subprocess.call(["sleep", "{MARK}"])\n'
QUICK = '# %% name="quick"\nanswer = 42\nassert answer == 42\n'


def sleepers() -> list[psutil.Process]:
    found = psutil.process_iter(["cmdline"])
    return [process for process in found if MARK in (process.info["cmdline"] or [])]


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def add(sample: SampleProject, name: str, notebook: str) -> None:
    """A notebook with its pages."""
    sample.write(f"notebooks/training/{name}.py", notebook)
    for language in ("zh", "en"):
        text = f'---\ndescription: D\n---\n# T\n\n``` cell name="{name}"\nC\n```\n'
        sample.write(f"docs/{language}/training/{name}.md", text)


def ran(stderr: str) -> int:
    found = re.search(r"of which (\d+) ran now", stderr)
    assert found, stderr
    return int(found[1])


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_what_had_finished_is_kept_and_what_ran_is_gone(
    sample: SampleProject, number: signal.Signals
) -> None:
    add(sample, "slow", SLOW)
    add(sample, "quick", QUICK)
    sample.sync()
    before = (sample.root / "site/index.html").read_bytes()
    results = sample.root / ".cache/qa/results"
    kept = len(list(results.glob("*.json")))
    build = sample.start_build()
    wait_until(lambda: sleepers() and len(list(results.glob("*.json"))) == kept + 1)
    build.send_signal(number)
    build.communicate(timeout=20)
    assert build.returncode != 0
    wait_until(lambda: not sleepers(), 5)
    assert (sample.root / "site/index.html").read_bytes() == before
    sample.replace("notebooks/training/slow.py", MARK, "0")
    sample.sync()
    done = sample.build()
    assert done.returncode == 0, done.stderr
    assert ran(done.stderr) == 1
    assert not list(sample.root.glob(".site*"))
    assert {path.suffix for path in results.iterdir()} == {".json"}


def test_two_builds_at_once(sample: SampleProject) -> None:
    add(sample, "quick", QUICK)
    sample.sync()
    builds = [sample.start_build() for _ in range(2)]
    for build in builds:
        _, stderr = build.communicate(timeout=120)
        assert build.returncode == 0, stderr
    assert (sample.root / "site/training/quick/index.html").exists()
    assert not list(sample.root.glob(".site*"))
    assert ran(sample.build().stderr) == 0


def test_a_full_disk_is_named_and_leaves_the_store_whole(sample: SampleProject) -> None:
    add(sample, "quick", QUICK)
    sample.sync()
    cache, old = sample.root / ".cache/qa", sample.root / "old"
    cache.rename(old)
    cache.mkdir()
    # In namespaces of its own, where a tiny disk can be mounted without being root.
    script = (
        f"mount -t tmpfs -o size=200k none {cache} && cp -r {old}/results {cache}; "
        f"cat /dev/zero > {cache}/fill 2>/dev/null || true; "
        f"{mkdocs_build.BUILD} || status=$?; ls {cache}/results; exit $status"
    )
    done = mkdocs_build.run_script(sample.root, script, "--mount")
    assert done.returncode == 1, done.stderr
    assert "No space left on device" in done.stderr
    assert ".partial" not in done.stdout
    assert (sample.root / "site/index.html").exists()


def test_a_build_begins_from_the_store_of_another(sample: SampleProject) -> None:
    shutil.rmtree(sample.root / ".cache/qa/durations.json", ignore_errors=True)
    elsewhere = sample.copy_to(sample.root.with_name("elsewhere"))
    shutil.rmtree(elsewhere.root / ".cache")
    assert ran(elsewhere.build().stderr) == 1
    shutil.rmtree(elsewhere.root / ".cache")
    results = ".cache/qa/results"
    shutil.copytree(sample.root / results, elsewhere.root / results)
    assert ran(elsewhere.build().stderr) == 0
