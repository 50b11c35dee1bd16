"""The pair, companions and scalars of a notebook."""

from decimal import Decimal
from pathlib import Path

import nbformat
import numpy as np

from qa.run import notebook as notebooks
from qa.run.inside import scalars
from qa.run.protocol import Exact
from tests import project


def test_the_pair_is_the_same_bytes_each_time(tmp_path: Path) -> None:
    first = project.make(tmp_path / "one").path("notebooks/training/sum.ipynb").read_bytes()
    second = project.make(tmp_path / "two").path("notebooks/training/sum.ipynb").read_bytes()
    assert first == second
    assert b'"outputs": []' in first


def test_the_pair_is_what_nbformat_would_write(tmp_path: Path) -> None:
    text = project.make(tmp_path / "one").path("notebooks/training/sum.ipynb").read_text()
    node = nbformat.reads(text, as_version=4)
    nbformat.validate(node)
    assert nbformat.writes(node) + "\n" == text


def test_the_age_of_files_says_nothing_about_a_pair(tmp_path: Path) -> None:
    sample = project.make(tmp_path / "project")
    path = sample.path("notebooks/training/sum.py")
    path.touch()
    assert notebooks.check_pair(notebooks.read(path)) is None
    path.with_suffix(".ipynb").touch()
    assert notebooks.check_pair(notebooks.read(path)) is None


def test_lines_of_cells_are_those_of_the_file(tmp_path: Path) -> None:
    path = project.make(tmp_path / "project").path("notebooks/training/sum.py")
    lines = path.read_text().splitlines()
    for cell in notebooks.read(path).code:
        assert lines[cell.line - 1] == cell.source.splitlines()[0]


def test_modules_travel_with_the_notebook_that_imports_them(tmp_path: Path) -> None:
    sample = project.make(tmp_path / "project")
    sample.replace(
        "notebooks/training/sum.py", "import numpy as np", "import numpy as np\nimport a"
    )
    sample.write("notebooks/training/a.py", "import b\n")
    sample.write("notebooks/training/b.py", "")
    sample.write("notebooks/training/c.py", "")
    book = notebooks.read(sample.path("notebooks/training/sum.py"))
    assert set(book.files) == {"a.py", "b.py"}


def test_scalars_are_what_pages_may_quote() -> None:
    variables = {
        "count": np.int64(3),
        "share": np.float32(0.5),
        "price": Decimal("1.20"),
        "ok": True,
        "infinite": float("inf"),
        "array": np.zeros(3),
        "_private": 1,
    }
    plain = {"count": 3, "share": 0.5, "price": Exact("1.20"), "ok": True}
    assert scalars.scalars(variables) == plain
    assert scalars.kinds(variables) == {"infinite": "no number", "array": "ndarray"}
