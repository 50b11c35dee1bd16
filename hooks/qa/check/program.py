"""Run a linter that a package installed next to Python."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from qa.check.checker import CheckerFailed

SECONDS = 60


def findings(program: str, *arguments: str, text: str) -> Any:
    """The JSON that `program` prints about `text`, which it reads from its standard input.

    A linter exits with 0 or 1, whether it found something or not. Raises CheckerFailed.
    """
    path = Path(sys.executable).with_name(program)
    # An empty home and working folder: nobody's own settings change the verdict.
    with TemporaryDirectory() as empty:
        try:
            done = subprocess.run(
                [str(path), *arguments],
                input=text.encode(),
                capture_output=True,
                cwd=empty,
                env={"HOME": empty, "LC_ALL": "C.UTF-8"},
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckerFailed(f"{program} was not done after {SECONDS} s") from error
        except OSError as error:
            raise CheckerFailed(f"{program} cannot be run: {error}") from error
    try:
        if done.returncode in (0, 1):
            return json.loads(done.stdout)
        reason = f"exit status {done.returncode}"
    except ValueError:
        reason = "its output is no JSON"
    last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
    raise CheckerFailed(": ".join([f"{program} failed", reason, *last]))
