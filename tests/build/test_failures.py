"""One planted fault each: what the build prints, where it points, and what it leaves alone."""

import signal
import time

import psutil
import pytest

from qa.failures import Failures
from qa.site import Project, prepare
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
    lines = done.stderr.splitlines()
    return [line for line in lines if line.startswith(("docs/", "notebooks/"))]


def kernels_of(pid: int) -> list[psutil.Process]:
    """Wait for the kernels that a build starts."""
    deadline = time.monotonic() + 20
    while not (found := psutil.Process(pid).children(recursive=True)):
        assert time.monotonic() < deadline, "no kernel started"
        time.sleep(0.1)
    return found


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


def test_syntax_error(sample: SampleProject) -> None:
    line = sample.replace(NOTEBOOK, "share = total / 3", "share = total /")
    assert f'{NOTEBOOK}:{line}: cell "table": SyntaxError: invalid syntax' in failures(sample)


def test_syntax_error_in_a_module_of_the_notebook(sample: SampleProject) -> None:
    sample.write("notebooks/training/sum/helper.py", "x = 1\nx = = 2\n")
    expected = "notebooks/training/sum/helper.py:2: SyntaxError: invalid syntax"
    assert expected in failures(sample)


def test_kernel_that_dies(sample: SampleProject) -> None:
    line = sample.replace(NOTEBOOK, "import pandas as pd", "import os\nos._exit(0)")
    sample.sync()
    reason = "the kernel died (out of memory, a crash, or os._exit)"
    assert failures(sample) == [f'{NOTEBOOK}:{line}: cell "table": {reason}']


def test_time_budget(sample: SampleProject) -> None:
    header = "# ---\n# jupyter:\n#   qa:\n#     seconds: 0.5\n# ---\n\n# %% [markdown]"
    sample.replace(NOTEBOOK, "# %% [markdown]", header)
    line = sample.replace(NOTEBOOK, "import pandas as pd", "import time\ntime.sleep(60)") + 0
    sample.sync()
    reason = "time budget: not done after 4 times the 0.5 s allowed"
    assert failures(sample) == [f'{NOTEBOOK}:{line}: cell "table": {reason}']


def test_raises_exception_that_does_not_raise(sample: SampleProject) -> None:
    line = sample.replace(
        NOTEBOOK, '# %% name="table"', '# %% name="table" tags=["raises-exception"]'
    )
    sample.sync()
    reason = "is tagged raises-exception and raised nothing"
    assert failures(sample) == [f'{NOTEBOOK}:{line + 1}: cell "table": {reason}']


def test_misspelt_cell(sample: SampleProject) -> None:
    for page in (ZH, EN):
        line = sample.replace(page, 'cell name="table"', 'cell name="tabel"')
    reason = 'no cell "tabel" in sum.py; it has: sum, figure, table'
    assert failures(sample) == [f"{page}:{line}: {reason}" for page in (EN, ZH)]


def test_misspelt_value_and_impossible_format(sample: SampleProject) -> None:
    for page in (ZH, EN):
        line = sample.replace(page, "{{ share:.1%}}", "{{ shre:.1%}} {{ total:.1q}}")
    reasons = [
        'no value "shre": it is no final scalar variable of sum.py',
        'value "total" (int) cannot be written as ".1q": '
        "Unknown format code 'q' for object of type 'int'",
    ]
    assert failures(sample) == [
        f"{page}:{line}: {reason}" for page in (EN, ZH) for reason in reasons
    ]


def test_pair_out_of_sync(sample: SampleProject) -> None:
    line = sample.replace(NOTEBOOK, 'print("total", total)', 'print("sum", total)')
    text = sample.path(NOTEBOOK).read_text()
    line = text[: text.index("import numpy")].count("\n") + 1
    reason = 'cell "sum" differs from sum.ipynb; run: qa sync training/sum'
    assert failures(sample) == [f"{NOTEBOOK}:{line}: {reason}"]


def test_pair_with_outputs(sample: SampleProject) -> None:
    pair = sample.path("notebooks/training/sum.ipynb")
    pair.write_text(pair.read_text().replace('"execution_count": null', '"execution_count": 1', 1))
    reason = "sum.ipynb has outputs or other metadata; run: qa sync training/sum"
    assert failures(sample) == [f"{NOTEBOOK}:1: {reason}"]


def test_notebook_without_page_and_page_without_notebook(sample: SampleProject) -> None:
    sample.path(NOTEBOOK).rename(sample.path("notebooks/training/sums.py"))
    sample.path("notebooks/training/sum.ipynb").unlink()
    sample.sync()
    assert failures(sample) == [
        f"{EN}:1: has no notebook: write {NOTEBOOK}",
        f"{ZH}:1: has no notebook: write {NOTEBOOK}",
        "notebooks/training/sums.py:1: no page shows this notebook: write docs/zh/training/sums.md",
    ]


def test_pair_without_its_source(sample: SampleProject) -> None:
    sample.path("notebooks/training/sum.ipynb").rename(sample.path("notebooks/training/old.ipynb"))
    assert failures(sample) == [
        "notebooks/training/old.ipynb:1: has no paired old.py",
        f"{NOTEBOOK}:1: has no paired sum.ipynb; run: qa sync training/sum",
    ]


def test_page_lacks_a_language(sample: SampleProject) -> None:
    sample.path(EN).unlink()
    assert failures(sample) == [f"{ZH}:1: has no page in en: write {EN}"]


def test_unknown_source_question(sample: SampleProject) -> None:
    for page in (ZH, EN):
        line = sample.replace(page, "sources: [A01]", "sources: [A01, Z99]")
    reason = "source question Z99 does not stand in corpus.yml"
    assert failures(sample) == [f"{page}:{line}: {reason}" for page in (EN, ZH)]


def test_languages_that_differ(sample: SampleProject) -> None:
    section = sample.replace(EN, "{ #end }", "{ #finish }")
    source = sample.replace(EN, "sources: [A01]", "sources: [A02]")
    assert failures(sample) == [
        'docs/corpus.yml:11: question A02 is answered by training/sum: remove "open"',
        f'{EN}:{source}: sources "A02" where zh has "A01"',
        f'{EN}:{section}: section "## finish" where zh has "## end"',
    ]


def test_values_and_links_that_one_language_lacks(sample: SampleProject) -> None:
    line = sample.replace(EN, "{ #end }", "{ #end }\n\n{{ total }} [numpy](https://numpy.org)")
    sample.replace(ZH, " {{ total }}", "")
    assert failures(sample) == [
        f'{EN}:{line + 2}: link "https://numpy.org" is not on the page in zh',
        f'{EN}:{line + 2}: value "total" is not on the page in zh',
    ]


def test_cell_without_caption_is_a_figure_without_alternative_text(sample: SampleProject) -> None:
    expected = []
    for page, caption in ((EN, "The total is"), (ZH, "总和是")):
        line = sample.replace(page, f'name="figure"\n{caption}', 'name="figure"')
        reason = 'cell "figure": its figure has no alternative text; write one in the fence'
        expected.append(f"{page}:{line}: {reason}")
    assert failures(sample) == expected


def test_code_that_nothing_runs(sample: SampleProject) -> None:
    for page in (ZH, EN):
        line = sample.replace(page, "{ #end }", "{ #end }\n\n``` python\nimport nothing\n```")
    reason = (
        'fence "python" is neither a cell, a diagram nor a file included by --8<--: '
        "put the code into the notebook"
    )
    assert failures(sample) == [f"{page}:{line + 2}: {reason}" for page in (EN, ZH)]


def test_file_included_by_line_numbers(sample: SampleProject) -> None:
    include = '--8<-- "notebooks/training/sum.py:1:2"'
    for page in (ZH, EN):
        line = sample.replace(page, "{ #end }", f"{{ #end }}\n\n``` python\n{include}\n```")
    reason = (
        "includes lines by number, which shift when the file is edited: mark a section in "
        "it with --8<-- [start:name] and [end:name], and include file:name"
    )
    assert failures(sample) == [f"{page}:{line + 2}: {reason}" for page in (EN, ZH)]


def test_empty_page(sample: SampleProject) -> None:
    sample.write(EN, "")
    assert failures(sample) == [f"{EN}:1: page is empty"]


def test_fence_never_closed(sample: SampleProject) -> None:
    line = sample.replace(EN, "{ #end }", "{ #end }\n\n``` mermaid\nflowchart LR")
    assert failures(sample) == [f"{EN}:{line + 2}: fence is never closed"]


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


def test_all_faults_are_listed_at_once(sample: SampleProject) -> None:
    assertion = sample.replace(NOTEBOOK, "assert total == 2", "assert total == 3")
    sample.sync()
    cell = sample.replace(EN, 'cell name="table"', 'cell name="tabel"')
    source = sample.replace(ZH, "sources: [A01]", "sources: [Q77]")
    found = failures(sample)
    assert f'{NOTEBOOK}:{assertion}: cell "sum": AssertionError: 2' in found
    assert any(line.startswith(f'{EN}:{cell}: no cell "tabel"') for line in found)
    assert f"{ZH}:{source}: source question Q77 does not stand in corpus.yml" in found


@pytest.mark.parametrize("flags", [("--strict",), ("--strict", "-q")])
def test_warning_of_mkdocs_itself(sample: SampleProject, flags: tuple[str, ...]) -> None:
    sample.replace("mkdocs.yml", "theme:", "nav: [nowhere.md]\ntheme:")
    assert failures(sample, *flags) == []
    assert "nowhere.md" in sample.build(*flags).stderr


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


def test_interrupt_ends_the_examples_and_keeps_the_last_good_site(sample: SampleProject) -> None:
    sample.replace(
        NOTEBOOK, "import pandas as pd", "import time\ntime.sleep(9)\nimport pandas as pd"
    )
    sample.sync()
    before = (sample.root / "site/index.html").stat().st_mtime_ns
    build = sample.start_build()
    assert build.stderr is not None
    for line in build.stderr:
        if "training/sum starts" in line:
            break
    kernels = kernels_of(build.pid)
    build.send_signal(signal.SIGINT)
    assert build.wait(timeout=8) != 0
    assert (sample.root / "site/index.html").stat().st_mtime_ns == before
    assert not list(sample.root.glob(".site*"))
    _, alive = psutil.wait_procs(kernels, timeout=5)
    assert not [kernel for kernel in alive if kernel.status() != psutil.STATUS_ZOMBIE]
