"""What a page may show of the files that its notebook brings along."""

from __future__ import annotations

from pathlib import Path

from qa.pages.includes import Includes
from qa.run import notebook as notebooks


def test_of_a_project_elsewhere_only_its_own_files(tmp_path: Path) -> None:
    path = tmp_path / "notebooks/theme/slug.py"
    path.parent.mkdir(parents=True)
    path.write_text('# %% name="one"\nimport local_postgres\nassert local_postgres\n')
    book = notebooks.read(path)
    assert Includes([book], tmp_path).files.keys() == {"notebooks/theme/slug.py"}
