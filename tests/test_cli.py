"""What an author types."""

import subprocess
import sys

from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"


def qa(sample: SampleProject, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "qa.cli", *arguments]
    return subprocess.run(command, cwd=sample.root, capture_output=True, text=True, timeout=120)


def test_run_shows_outputs_and_values(sample: SampleProject) -> None:
    done = qa(sample, "run", "training/sum")
    assert done.returncode == 0
    assert "--- sum (" in done.stdout
    assert "\ntotal 2\n" in done.stdout
    assert "share = 0.6666666666666666" in done.stdout


def test_run_says_where_it_fails(sample: SampleProject) -> None:
    line = sample.replace(NOTEBOOK, "assert total == 2", "assert total == 3")
    done = qa(sample, "run", "training/sum")
    assert done.returncode == 1
    assert f'{NOTEBOOK}:{line}: cell "sum": AssertionError: 2' in done.stderr.splitlines()


def test_sync_writes_only_pairs_that_differ(sample: SampleProject) -> None:
    assert qa(sample, "sync").stdout == ""
    sample.replace(NOTEBOOK, 'print("total", total)', 'print("sum", total)')
    assert qa(sample, "sync").stdout == "wrote notebooks/training/sum.ipynb\n"


def test_check_needs_no_site(sample: SampleProject) -> None:
    line = sample.replace("docs/en/training/sum.md", 'name="table"', 'name="tabel"')
    done = qa(sample, "check")
    assert done.returncode == 1
    assert f'docs/en/training/sum.md:{line}: no cell "tabel"' in done.stderr


def test_unknown_names_are_refused(sample: SampleProject) -> None:
    done = qa(sample, "run", "training/nothing")
    assert done.returncode == 1
    assert "no notebook training/nothing; there are: training/sum" in done.stderr
