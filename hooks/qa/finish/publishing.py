"""The site is built beside the last good one and takes its place when nothing went wrong."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

import psutil


def folder_for(target: Path) -> Path:
    """A folder of this process's own, so that two builds do not disturb each other.

    Folders of builds that were killed are removed.
    """
    for left in target.parent.glob(f".{target.name}.*.partial"):
        if not psutil.pid_exists(int(left.name.split(".")[-2])):
            shutil.rmtree(left, ignore_errors=True)
    return target.with_name(f".{target.name}.{os.getpid()}.partial")


def publish(staged: Path, target: Path) -> None:
    """Put `staged` in the place of `target`; of two builds at once the later one stays."""
    old = staged.with_suffix(".old.partial")
    while staged.exists():
        with suppress(FileNotFoundError):
            target.rename(old)
        # Another build may have put its site there in between.
        with suppress(OSError):
            staged.rename(target)
        shutil.rmtree(old, ignore_errors=True)
