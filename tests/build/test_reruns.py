"""What runs again after a change, and what does not."""

import re
import zipfile

import pytest

from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"
HEADER = "# ---\n# jupyter:\n#   qa:\n#     seconds: 20\n# ---\n\n"


def executed(sample: SampleProject) -> int:
    done = sample.build()
    assert done.returncode == 0, done.stderr
    found = re.search(r"Examples: 1, of which (\d) ran now", done.stderr)
    assert found, done.stderr
    return int(found[1])


def test_nothing_runs_when_nothing_changed(sample: SampleProject) -> None:
    assert executed(sample) == 0


@pytest.mark.parametrize(
    ("path", "old", "new"),
    [
        ("docs/zh/training/sum.md", "占 {{", "占比 {{"),
        ("docs/en/training/sum.md", "A share of {{", "Its share is {{"),
        (NOTEBOOK, "# # 求和 · Sums", "# # 求和 · Sums\n#\n# More prose."),
    ],
)
def test_prose_does_not_rerun_code(sample: SampleProject, path: str, old: str, new: str) -> None:
    sample.replace(path, old, new)
    sample.sync()
    assert executed(sample) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('print("total", total)', 'print("sum", total)'),
        ('# %% name="sum"', '# %% name="sum" tags=["volatile"]'),
        ("import numpy as np", "import numpy as np\nimport helper"),
        (
            "# %% [markdown]",
            "# ---\n# jupyter:\n#   qa:\n#     seconds: 20\n# ---\n\n# %% [markdown]",
        ),
    ],
)
def test_code_tags_imports_and_budget_rerun(sample: SampleProject, old: str, new: str) -> None:
    if "helper" in new:
        sample.write("notebooks/training/helper.py", "ANSWER = 42\n")
    sample.replace(NOTEBOOK, old, new)
    sample.sync()
    assert executed(sample) == 1


def test_files_and_imported_modules_rerun(sample: SampleProject) -> None:
    sample.replace(NOTEBOOK, "import numpy as np", "import numpy as np\nimport helper")
    sample.write("notebooks/training/helper.py", "ANSWER = 42\n")
    sample.write("notebooks/training/sum/data.csv", "a,b\n")
    header = (
        "# ---\n# jupyter:\n#   qa:\n#     unchecked: {data.csv: data}\n# ---\n\n# %% [markdown]"
    )
    sample.replace(NOTEBOOK, "# %% [markdown]", header)
    sample.sync()
    assert executed(sample) == 1
    assert executed(sample) == 0
    with zipfile.ZipFile(sample.path("site/runs/training/sum/sum.zip")) as archive:
        modes = {info.filename: info.external_attr >> 16 for info in archive.infolist()}
    assert modes == {"sum.ipynb": 0o644, "data.csv": 0o644, "helper.py": 0o644}
    sample.write("notebooks/training/helper.py", "ANSWER = 43\n")
    assert executed(sample) == 1, "a module that the notebook imports"
    sample.write("notebooks/training/sum/data.csv", "a,b\n1,2\n")
    assert executed(sample) == 1, "a file of the notebook"


def test_what_is_counted_as_run_has_run(sample: SampleProject) -> None:
    """The code of pages and SQL files runs beside the notebook, and is no example of its own."""
    for language in ("zh", "en"):
        page = f"docs/{language}/training/sum.md"
        fences = "``` python\nassert len(__name__) == 8\n```\n\n``` sql\nSELECT 1;\n```\n"
        sample.write(page, sample.path(page).read_text() + "\n" + fences)
    stderr = sample.build().stderr
    assert "Running 2 examples here" in stderr
    assert "Examples: 1, of which 0 ran now; code: 5 cells and fences ran, 2 fences" in stderr


def test_a_failure_is_not_stored(sample: SampleProject) -> None:
    sample.replace(NOTEBOOK, "assert total == 2", "assert total == 3")
    sample.sync()
    assert sample.build().returncode != 0
    assert 'cell "sum": AssertionError' in sample.build().stderr, "it runs and fails again"
    sample.replace(NOTEBOOK, "assert total == 3", "assert total == 2")
    sample.sync()
    assert executed(sample) == 0, "the passed run is still there"
