"""What was once worked out from a text, kept as JSON under the digest of all it depends on."""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from qa.files import write_whole

SECRET = ".qa-secret"


class Memo:
    """`folder` may be lost; nothing is kept in one that is absent or cannot be written.

    What stands in it becomes pages and verdicts unseen. So names are made with a secret of this
    environment: what another environment, or whoever wrote the files, has put there is not found.
    """

    def __init__(self, folder: Path | None = None, version: str = ""):
        self.folder = folder
        self.version = version
        self.secret = _secret()

    def get(self, name: str, text: str, work_out: Callable[[], Any]) -> Any:
        """What `work_out` returns, in JSON form; it is called only if it must be.

        `name` says what it works out, and `version` with what code. What it raises is not kept.
        Raises OSError where the disk is full.
        """
        if self.folder is None:
            return work_out()
        parts = "\0".join((self.secret, name, self.version, text))
        path = self.folder / f"{hashlib.sha256(parts.encode()).hexdigest()}.json"
        with suppress(OSError, ValueError, RecursionError):
            return json.loads(path.read_text(encoding="utf-8"))
        text = json.dumps(work_out(), ensure_ascii=False)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        except OSError as error:
            # Elsewhere a full disk would be met too, and said less clearly.
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise
        return json.loads(text)


def _secret() -> str:
    """Made when it is first needed; another in each process where it cannot be kept."""
    for folder in (Path(sys.prefix), Path.home() / ".cache"):
        path = folder / SECRET
        with suppress(OSError):
            if not path.exists():
                write_whole(path, secrets.token_hex())
            return path.read_text(encoding="utf-8")
    return secrets.token_hex()


def digest_of(files: list[Path]) -> str:
    """Of the names and contents of the code that works something out."""
    digest = hashlib.sha256()
    for path in sorted(files):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()
