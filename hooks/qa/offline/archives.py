"""What the archives hold that readers take along."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from qa.files import path_below, write_zip


def site(folder: Path, target: Path, root: str) -> None:
    """The whole site, below one folder named `root`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    write_zip(
        path_below(target.parent, target.name),
        ((f"{root}/{p.relative_to(folder).as_posix()}", p.read_bytes()) for p in files),
    )


def examples(runs: Path, target: Path, root: str, readme: str) -> None:
    """Every executed notebook of the site's folder `runs`, with its files beside it; what they
    need, and how they are run."""
    write_zip(path_below(target.parent, target.name), _examples(runs, root, readme))


def _examples(runs: Path, root: str, readme: str) -> Iterator[tuple[str, bytes]]:
    yield f"{root}/README.md", readme.encode()
    yield f"{root}/requirements.txt", (runs / "requirements.txt").read_bytes()
    for notebook in sorted(runs.rglob("*.ipynb")):
        # Each in a folder of its own, for their files may have the same names.
        folder = f"{root}/{notebook.parent.relative_to(runs).as_posix()}"
        archive = notebook.with_suffix(".zip")
        if not archive.exists():
            yield f"{folder}/{notebook.name}", notebook.read_bytes()
            continue
        with zipfile.ZipFile(io.BytesIO(archive.read_bytes())) as files:
            for name in files.namelist():
                yield f"{folder}/{name}", files.read(name)
