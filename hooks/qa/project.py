"""Where the files of a project are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

from qa import tree
from qa.failures import Failures
from qa.memo import Memo, digest_of

LARGEST_DOWNLOAD = 1024 * tree.MIB


@dataclass
class Project:
    """Where things are: a folder with docs/, notebooks/ and a cache that may be lost."""

    root: Path

    @property
    def docs(self) -> Path:
        return self.root / "docs"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def cache(self) -> Path:
        return self.root / ".cache" / "qa"

    @property
    def downloads(self) -> Path:
        """What `make offline` has made for readers to take along."""
        return self.root / "dist"

    def refuse_unsafe_files(self) -> None:
        """Before anything there is read. Raises Failures."""
        if failures := [
            *tree.faults(self.docs),
            *tree.faults(self.notebooks),
            *tree.faults(self.downloads, LARGEST_DOWNLOAD),
        ]:
            raise Failures(failures)

    @cached_property
    def memo(self) -> Memo:
        """For what this package works out from the texts of a project."""
        code = digest_of(list(Path(__file__).parent.rglob("*.py")))
        return Memo(self.cache / "memo", code + version("jupytext"))
