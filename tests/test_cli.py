"""What an author types."""

import subprocess
import sys

from tests import mkdocs_build
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
    assert f'{NOTEBOOK}:{line}: cell "sum": AssertionError: 2' in mkdocs_build.failures(done)


def test_sync_writes_only_pairs_that_differ(sample: SampleProject) -> None:
    assert qa(sample, "sync").stdout == ""
    sample.replace(NOTEBOOK, 'print("total", total)', 'print("sum", total)')
    assert qa(sample, "sync").stdout == "wrote notebooks/training/sum.ipynb\n"


def test_check_needs_no_site(sample: SampleProject) -> None:
    line = sample.replace("docs/en/training/sum.md", 'name="table"', 'name="tabel"')
    done = qa(sample, "check")
    assert done.returncode == 1
    assert f'docs/en/training/sum.md:{line}: no cell "tabel"' in done.stderr


def test_check_says_what_no_assert_names_and_what_was_not_explored(sample: SampleProject) -> None:
    done = qa(sample, "check")
    assert done.returncode == 0
    assert "training/sum: no assert names what the page shows: share\n" in done.stderr
    assert "training/sum: not explored in this version: " in done.stderr


def test_what_explore_finds_stands_on_the_page(sample: SampleProject) -> None:
    done = qa(sample, "mutate", "--explore", "training/sum")
    *alive, last = done.stdout.splitlines()
    planted = 4
    assert last == f"training/sum: {planted - len(alive)} of {planted} planted faults caught"
    assert "not explored" not in qa(sample, "check").stderr
    assert sample.build().returncode == 0
    said = f"{planted - len(alive)} of {planted} faults planted at random"
    assert said in (sample.root / "site/en/training/sum/index.html").read_text()


def test_known_mutants_are_tried_while_there_is_time(sample: SampleProject) -> None:
    planted = {"find": "[1, 1]", "replace": "[1, 2]", "claim": "1", "anchor": "run"}
    text = "".join(
        f'{key} = "{value}"\n' for key, value in (planted | {"caught_by": "sum"}).items()
    )
    sample.write("notebooks/training/sum/mutants.toml", f"[[mutant]]\n{text}")
    tried = "1 mutants, each caught where it says\n"
    assert qa(sample, "mutate", "--minutes", "0").stdout == tried  # it was not known
    passed_over = "0 mutants, each caught where it says\nknown to be caught, and not tried again: "
    passed_over += "those of training/sum\n"
    assert qa(sample, "mutate", "--minutes", "0").stdout == passed_over
    for arguments in ([], ["--minutes", "1"]):
        assert qa(sample, "mutate", *arguments).stdout == tried


def test_unknown_names_are_refused(sample: SampleProject) -> None:
    done = qa(sample, "run", "training/nothing")
    assert done.returncode == 1
    assert "no notebook training/nothing; there are: training/sum" in done.stderr


def test_shards_are_disjoint_complete_and_merge_by_copying(sample: SampleProject) -> None:
    store = sample.root / ".cache/qa/results"
    for path in store.iterdir():
        path.unlink()
    for name in ("b", "c", "d"):
        code = f'# %% name="{name}"\nx = 1\nassert x == 1\n'
        sample.write(f"notebooks/training/{name}.py", code)
        for language in ("zh", "en"):
            text = f'---\ndescription: D\n---\n# T\n\n``` cell name="{name}"\nC\n```\n'
            sample.write(f"docs/{language}/training/{name}.md", text)
    sample.sync()
    merged = sample.copy_to(sample.root.with_name("merged"))
    for number in (1, 2, 3):
        machine = sample.copy_to(sample.root.with_name(f"machine-{number}"))
        done = qa(machine, "run", "--shard", f"{number}/3")
        count = 2 if number == 1 else 1
        assert done.stdout == f"shard {number}/3: {count} examples, of which {count} ran now\n"
        for path in (machine.root / ".cache/qa/results").iterdir():
            path.rename(merged.root / ".cache/qa/results" / path.name)
    assert "Examples: 4, of which 0 ran now" in merged.build().stderr


def test_a_shard_that_is_none_is_refused(sample: SampleProject) -> None:
    done = qa(sample, "run", "--shard", "4/3")
    assert done.returncode == 2
    assert "argument --shard: invalid _shard value: '4/3'" in done.stderr
