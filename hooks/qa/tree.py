"""What may lie in docs/, notebooks/ and dist/: plain files with plain names, no links or devices.

This is asked before anything there is read. Nothing is opened for it and no link followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from qa.failures import Failure
from qa.files import below, left_by_a_program, name_fault

MIB = 2**20
LARGEST_TEXT = 1 * MIB
LARGEST = 16 * MIB
TEXTS = (".ipynb", ".md", ".py", ".yaml", ".yml")
LONGEST_PATH = 160
"""Characters below the folder: with that of a reader's folder it stays below Windows' 260."""

PAGES = (".md", ".markdown", ".mdown", ".mkdn", ".mkd", ".mdwn", ".mdtext", ".mdx", ".rmd", ".qmd")
"""Suffixes, in small letters, of what its author takes for a page."""


def faults(folder: Path, largest: int = LARGEST) -> Iterator[Failure]:
    """Everything below `folder`, and itself, that nothing may read; `largest` is in bytes."""
    if not os.path.lexists(folder):
        return
    yield from _faults_of_kind(folder, os.lstat(folder), file=False)
    unread: list[OSError] = []
    for where, folders, names in os.walk(folder, onerror=unread.append):
        seen: dict[str, str] = {}
        for name in sorted([*folders, *names]):
            path = Path(where, name)
            yield from _faults_of_entry(path, path.relative_to(folder), largest, seen)
    for error in unread:
        reason = f"cannot be read: {error.strerror}"
        yield Failure(Path(error.filename), 1, reason, code="file-unreadable")


def _faults_of_entry(
    path: Path, relative: Path, largest: int, seen: dict[str, str]
) -> Iterator[Failure]:
    """`seen` are the names beside it by their form without regard to case."""
    status = os.lstat(path)
    if left_by_a_program(relative):
        # A generator may still walk through it, into wherever a link leads.
        if stat.S_ISLNK(status.st_mode):
            yield from _faults_of_kind(path, status, file=True)
        return
    yield from _faults_of_kind(path, status, file=not stat.S_ISDIR(status.st_mode))
    if _leads_nowhere(path, status):
        return
    if fault := name_fault(path.name):
        yield Failure(path, 1, fault, code="file-name")
    elif len(str(relative)) > LONGEST_PATH:
        reason = f"its path is longer than {LONGEST_PATH} characters"
        yield Failure(path, 1, reason, code="file-name")
    elif (other := seen.setdefault(path.name.lower(), path.name)) != path.name:
        reason = f"differs from {other} only in case, which some systems do not see"
        yield Failure(path, 1, reason, code="file-name")
    limit = LARGEST_TEXT if path.suffix.lower() in TEXTS else largest
    if stat.S_ISREG(status.st_mode) and status.st_size > limit:
        size = f"{status.st_size / MIB:.1f} MiB"
        yield Failure(path, 1, f"is larger ({size}) than {limit // MIB} MiB", code="file-size")


def _faults_of_kind(path: Path, status: os.stat_result, file: bool) -> Iterator[Failure]:
    """Unless it is a plain file, or a folder where `file` is not set."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        if not _leads_nowhere(path, status):
            reason = f"is a link: put the {'file' if path.is_file() else 'folder'} itself here"
            yield Failure(path, 1, reason, code="link")
    elif not (stat.S_ISREG(mode) if file else stat.S_ISDIR(mode)):
        what = "file" if file else "folder"
        yield Failure(path, 1, f"is no {what}: take it away", code="special-file")


def _leads_nowhere(path: Path, status: os.stat_result) -> bool:
    """A link of which nothing can be read, such as editors leave to lock a file."""
    if not stat.S_ISLNK(status.st_mode):
        return False
    try:
        path.stat()
    except OSError as error:
        return error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
    return False


def misplaced_pages(docs: Path, languages: tuple[str, ...]) -> Iterator[Failure]:
    """Pages that would be published unread: in no language, or with a suffix of another kind."""
    homes = " or ".join(f"{docs.name}/{language}" for language in languages)
    for path in below(docs, "**/*"):
        if path.suffix.lower() not in PAGES:
            continue
        if path.suffix != ".md":
            reason = f"the name of a page ends in .md, not in {path.suffix}"
            yield Failure(path, 1, reason, code="page-name")
        elif path.relative_to(docs).parts[0] not in languages:
            reason = f"a page lies below {homes}: move it there"
            yield Failure(path, 1, reason, code="page-in-no-language")
        elif path.stem.lower() == "readme":
            yield Failure(path, 1, "name it index.md", code="page-name")
