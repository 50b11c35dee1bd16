"""What a failed build prints and leaves alone, beyond the one fault each of tests/canaries."""

import pytest

from qa.failures import Failures
from qa.prepare import prepare
from qa.project import Project
from tests import mkdocs_build
from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"
ZH, EN = "docs/zh/training/sum.md", "docs/en/training/sum.md"


def failures(sample: SampleProject, *flags: str) -> list[str]:
    """The `file:line: reason` lines of a build that must fail and keep the last good site."""
    before = {path: path.read_bytes() for path in (sample.root / "site").rglob("*.html")}
    done = sample.build(*flags)
    assert done.returncode != 0, done.stderr
    after = {path: path.read_bytes() for path in (sample.root / "site").rglob("*.html")}
    assert before == after, "the last good site was touched"
    assert not list(sample.root.glob(".site*"))
    return mkdocs_build.failures(done)


@pytest.mark.parametrize("flags", [(), ("-q",)])
def test_failed_assertion(sample: SampleProject, flags: tuple[str, ...]) -> None:
    line = sample.replace(NOTEBOOK, "assert total == 2", "assert total == 3")
    sample.sync()
    assert failures(sample, *flags) == [f'{NOTEBOOK}:{line}: cell "sum": AssertionError: 2']


def test_exception_inside_a_function_of_an_earlier_cell(sample: SampleProject) -> None:
    sample.replace(NOTEBOOK, "import numpy as np", "import numpy as np\n\ndef f():\n    1 / 0\n")
    sample.replace(NOTEBOOK, "share = total / 3", "share = total / 3\nf()")
    sample.sync()
    text = sample.path(NOTEBOOK).read_text().splitlines()
    line = text.index("    1 / 0") + 1
    expected = f'{NOTEBOOK}:{line}: cell "table": ZeroDivisionError: division by zero'
    assert failures(sample) == [expected]


def test_the_failure_names_the_pages_and_the_last_output(sample: SampleProject) -> None:
    sample.replace(NOTEBOOK, 'print("total", total)', 'print("total", total)\nraise OSError("no")')
    sample.sync()
    stderr = sample.build().stderr
    assert "    last output:\n    total 2" in stderr
    assert f"    used by {ZH}, {EN}" in stderr


def test_misspelt_value_and_impossible_format(sample: SampleProject) -> None:
    for page in (ZH, EN):
        line = sample.replace(page, "{{ share:.1%}}", "{{ shre:.1%}} {{ total:.1q}}")
    reasons = [
        'value "shre" is no final scalar variable of sum.py',
        'value "total" (int) cannot be written as ".1q": '
        "Unknown format code 'q' for object of type 'int'",
    ]
    assert failures(sample) == [
        f"{page}:{line}: {reason}" for page in (EN, ZH) for reason in reasons
    ]


def test_pair_with_outputs(sample: SampleProject) -> None:
    pair = sample.path("notebooks/training/sum.ipynb")
    pair.write_text(pair.read_text().replace('"execution_count": null', '"execution_count": 1', 1))
    reason = "sum.ipynb has outputs or other metadata; run: qa sync training/sum"
    assert failures(sample) == [f"{NOTEBOOK}:1: {reason}"]


def test_file_included_by_line_numbers(sample: SampleProject) -> None:
    include = '--8<-- "notebooks/training/sum.py:1:2"'
    for page in (ZH, EN):
        line = sample.replace(page, "{ #end }", f"{{ #end }}\n\n``` python\n{include}\n```")
    reason = (
        "includes lines by number, which shift when the file is edited: mark a section in "
        "it with --8<-- [start:name] and [end:name], and include file:name"
    )
    assert failures(sample) == [f"{page}:{line + 3}: {reason}" for page in (EN, ZH)]


def test_empty_page(sample: SampleProject) -> None:
    sample.write(EN, "")
    assert failures(sample) == [f"{EN}:1: page is empty"]


@pytest.mark.parametrize(
    ("old", "new", "offset", "reason"),
    [
        ('# %% name="table"', "# %%", 0, 'a code cell needs a name: # %% name="..."'),
        ('# %% name="table"', '# %% name="sum"', 0, 'duplicate cell name "sum"'),
        (
            "assert total == 2, total\n",
            "",
            None,
            "no assertion: a notebook must assert what its page claims",
        ),
        (
            "# %% [markdown]",
            "import os\n\n# %% [markdown]",
            None,
            "text before the first cell: begin it with '# %%' or '# %% [markdown]'",
        ),
    ],
)
def test_bad_notebook(
    sample: SampleProject, old: str, new: str, offset: int | None, reason: str
) -> None:
    line = sample.replace(NOTEBOOK, old, new)
    where = 1 if offset is None else line + offset
    assert f"{NOTEBOOK}:{where}: {reason}" in failures(sample)


@pytest.mark.parametrize("flags", [("--strict",), ("--strict", "-q")])
def test_warning_of_mkdocs_itself(sample: SampleProject, flags: tuple[str, ...]) -> None:
    sample.replace("mkdocs.yml", "theme:", "nav: [nowhere.md]\ntheme:")
    assert failures(sample, *flags) == []
    stderr = sample.build(*flags).stderr
    assert "nowhere.md" in stderr
    assert "fault in the build" not in stderr
    assert "Traceback" not in stderr


def test_annotations_for_a_pull_request(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = sample.replace(NOTEBOOK, "assert total == 2", "assert total == 3")
    sample.sync()
    monkeypatch.chdir(sample.root)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with pytest.raises(Failures) as caught:
        prepare(Project(sample.root))
    assert f'::error file={NOTEBOOK},line={line}::cell "sum": AssertionError: 2' in str(
        caught.value
    )
