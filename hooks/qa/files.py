"""Reading and writing: texts in one encoding, files that are whole or not there, and names that
may become paths."""

from __future__ import annotations

import os
import re
import secrets
import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from qa.failures import Failure, Failures

PARTIAL = ".partial"

NAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?")
RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
LONGEST_NAME = 80

LEFT_BY_PROGRAMS = re.compile(
    r"\..*|.*~|~\$.*|#.*#|__pycache__|__MACOSX|lost\+found|\$RECYCLE\.BIN|4913|Icon\r"
    r"|thumbs\.db|ehthumbs(?:_vista)?\.db|desktop\.ini"
    r"|.*\.(?:py[co]|bak|backup|old|orig|rej|save|sw[a-p]|te?mp|partial|part|crdownload)"
    r"|.*___jb_(?:tmp|old)___",
    re.IGNORECASE,
)
"""Names of what editors, systems and interrupted programs leave; a hidden name is one of them."""

NO_TEXT = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters, and those by which code is shown in another order than it runs."""


def word_fault(name: str) -> str:
    """Why `name` may not become a part of an address, or nothing."""
    if not NAME.fullmatch(name):
        shown = ascii(name[:LONGEST_NAME])
        return f"the name {shown} may hold only the letters a to z, digits, and . _ - inside"
    if len(name) > LONGEST_NAME:
        return f'the name "{name[:20]}..." is longer than {LONGEST_NAME} characters'
    return ""


def name_fault(name: str) -> str:
    """Why `name` may not become a part of a path on every system and in an address, or nothing."""
    if RESERVED.fullmatch(name):
        return f'the name "{name}" is reserved on Windows'
    return word_fault(name)


def left_by_a_program(path: Path) -> bool:
    """Whether nobody wrote the file, or the folder that it lies in: `path` is a relative one."""
    return any(LEFT_BY_PROGRAMS.fullmatch(part) for part in path.parts)


def below(folder: Path, pattern: str) -> list[Path]:
    """The files below `folder` that somebody wrote, in order; `pattern` is one of globs."""
    return [path for path in sorted(folder.glob(pattern)) if is_written(path, folder)]


def is_written(path: Path, folder: Path) -> bool:
    """Whether `path`, below `folder`, is a file and somebody's own."""
    return not left_by_a_program(path.relative_to(folder)) and path.is_file()


def read_text(path: Path) -> str:
    """See `text_of`. Raises Failures also for a file that cannot be read."""
    try:
        content = path.read_bytes()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise Failures([Failure(path, 1, reason, code="file-unreadable")]) from error
    return text_of(path, content)


def text_of(path: Path, content: bytes) -> str:
    """UTF-8 with or without a byte order mark, its lines ended by "\\n" however they were ended.

    Raises Failures, with the line, for another encoding and for characters that no text needs.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        reason = "is not in UTF-8: save it in that encoding"
        raise Failures([Failure(path, line, reason, code="encoding")]) from error
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if found := NO_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        reason = f"holds the character U+{ord(found[0]):04X}, which no text needs: take it out"
        raise Failures([Failure(path, line, reason, code="control-character")])
    return text


def lines_of(text: str) -> list[str]:
    """Without their ends, as Python and editors count them: a form feed ends no line."""
    return text.removesuffix("\n").split("\n")


def write_whole(path: Path, text: str) -> None:
    """Write aside and rename. Raises OSError, for instance on a full disk, and leaves nothing."""
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{PARTIAL}")
    try:
        with temporary.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and not error.filename:
            error.filename = str(path)
        temporary.unlink(missing_ok=True)
        raise


def path_below(folder: Path, name: str) -> Path:
    """Where to write the file of a relative `name`; the folders on the way are made.

    All that the builder writes goes through here. Raises ValueError for a name that is unsafe or
    leads out of the folder.
    """
    path = folder / _safe(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"{name} lies outside {folder}")
    return path


def write_zip(path: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """An archive of files by name, readable by all, and without the date of today.

    Raises ValueError for a name that would be unpacked elsewhere.
    """
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents:
            info = zipfile.ZipInfo(_safe(name))
            info.external_attr = 0o644 << 16
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)


def _safe(name: str) -> str:
    """The relative path `name` itself. Raises ValueError if a part of it is no safe name."""
    parts = PurePosixPath(name).parts
    if fault := next(filter(None, map(name_fault, parts)), "" if parts else "a name is empty"):
        raise ValueError(fault)
    return name
