"""Files that are whole or not there, and archives whose bytes depend on their content alone."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

PARTIAL = ".partial"


def write_whole(path: Path, text: str) -> None:
    """Write aside and rename. Raises OSError, for instance on a full disk, and leaves nothing."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=PARTIAL)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def write_zip(path: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """An archive of files by name, readable by all, and without the date of today."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents:
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
