"""The site is built beside the last good one and takes its place when nothing went wrong.

The two folders change places in one step. Where they cannot, because the site is mounted, lies on
another disk, or in a folder that is not ours, their files do, one by one.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import glob
import logging
import os
import secrets
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from qa.failures import Failure, Failures

log = logging.getLogger("mkdocs.qa")

LEFT = ".partial"
HERE = -100
"""AT_FDCWD: paths are relative to the working folder."""
EXCHANGE = 2
"""RENAME_EXCHANGE"""


class Publication:
    """One build's way from a `folder` of its own, so that two builds do not disturb each other, to
    the place of the site. Folders of builds that were killed are removed."""

    def __init__(self, site: Path):
        """Raises Failures for a `site` that is no place for one."""
        self.target = _place_of(site)
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            _remove_left(self.target)
            self.folder, self._lock = _own_folder(self.target)
        except OSError as error:
            raise _failures(self.target, error) from error

    def publish(self) -> None:
        """Of two builds at once the later one stays. Raises Failures."""
        try:
            _take_the_place(self.folder, self.target)
        except OSError as error:
            raise _failures(self.target, error) from error
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove what is in the folder: a site that did not become one, or the last one."""
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)
        if self.folder.exists():
            log.info(f"{self.folder} could not be removed as a whole: see whose files it holds")


def _failures(path: Path, error: OSError) -> Failures:
    reason = f"cannot be written: {error.strerror}"
    return Failures([Failure(Path(error.filename or path), 1, reason, code="site-unwritable")])


def _place_of(site: Path) -> Path:
    """The folder itself, where `site` is a link to one."""
    try:
        target = site.resolve()
        names = {path.name for path in target.iterdir()} if target.exists() else set()
    except NotADirectoryError:
        reason = "is no folder: take it away"
    except (OSError, RuntimeError) as error:
        reason = f"cannot be read: {getattr(error, 'strerror', error)}"
    else:
        # A link may have come with a contribution: nothing else than a site is replaced.
        if not site.is_symlink() or not names - {"lost+found"} or "index.html" in names:
            return target
        reason = f"leads to {target}, which holds no site: empty that, or remove the link"
    raise Failures([Failure(site, 1, reason, code="site-place")])


def _remove_left(target: Path) -> None:
    """Whoever builds in a folder holds its lock."""
    pattern = f".{glob.escape(target.name)}.*{LEFT}"
    for left in (*target.parent.glob(pattern), *Path(tempfile.gettempdir()).glob(pattern)):
        with suppress(OSError):  # no folder, another's, or in use
            lock = os.open(left, os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)


def _own_folder(target: Path) -> tuple[Path, int]:
    """Beside the target if that can be, and its lock, which ends with the process."""
    while True:
        name = f".{target.name}.{secrets.token_hex(4)}{LEFT}"
        folder = target.with_name(name)
        try:
            folder.mkdir()
        except OSError:
            folder = Path(tempfile.gettempdir(), name)
            folder.mkdir()
        lock = os.open(folder, os.O_DIRECTORY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return folder, lock
        os.close(lock)  # another build took it for one that was left


def _take_the_place(staged: Path, target: Path) -> None:
    try:
        if target.exists():
            _exchange(staged, target)
        else:
            staged.rename(target)
    except OSError:
        _copy(staged, target)


def _exchange(one: Path, other: Path) -> None:
    """Raises OSError where the system cannot do it."""
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None or rename(HERE, os.fsencode(one), HERE, os.fsencode(other), EXCHANGE):
        raise OSError(ctypes.get_errno(), "two folders cannot change places")


def _copy(staged: Path, target: Path) -> None:
    """Each file is the old or the new one, whole; first those that are there, then none else."""
    target.mkdir(exist_ok=True)
    # The home page first, by which a site is known.
    new = sorted(staged.rglob("*"), key=lambda path: (path != staged / "index.html", path))
    for path in (staged, *new):
        place = target / path.relative_to(staged)
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            reason = "its files belong to another user, or the disk is read-only"
            raise PermissionError(errno.EACCES, reason, str(place))
    for path in new:
        place = target / path.relative_to(staged)
        if path.is_dir() != place.is_dir() or place.is_symlink():
            _remove(place)
        if path.is_dir():
            place.mkdir(exist_ok=True)
        else:
            _copy_whole(path, place)
    wanted = {target / path.relative_to(staged) for path in new}
    for path in sorted(target.rglob("*"), reverse=True):
        if path not in wanted:
            with suppress(OSError):  # another's, such as the lost+found of a disk
                _remove(path)


def _copy_whole(path: Path, place: Path) -> None:
    aside = place.with_name(f".{secrets.token_hex(4)}{LEFT}")
    with path.open("rb") as source, aside.open("xb") as copy:
        shutil.copyfileobj(source, copy)
    aside.replace(place)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
