"""A notebook of hostile code, run in the real sandbox."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import notebook as notebooks
from qa.run.local import LocalServer
from qa.run.report import run
from qa.run.store import Result

SECRET = "a-token-of-the-builder"


class Attack:
    """Runs code as a notebook of its own; a secret lies where a builder's files lie."""

    def __init__(self, server: LocalServer, folder: Path):
        self.server = server
        self.folder = folder
        self.secret = folder / "docs" / "secret.txt"
        self.secret.parent.mkdir()
        self.secret.write_text(SECRET)

    def run(self, code: str, seconds: int = 10, name: str = "attack") -> Result:
        path = self.folder / "notebooks" / "security" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"# ---\n# jupyter:\n#   qa:\n#     seconds: {seconds}\n# ---\n\n"
        path.write_text(f'{head}# %% name="attack"\n{textwrap.dedent(code)}\nassert __name__\n')
        return run(notebooks.read(path), self.server)

    def failures(self, code: str, seconds: int = 10) -> list[str]:
        with pytest.raises(Failures) as caught:
            self.run(code, seconds)
        return [f"{failure.line}: {failure.reason}" for failure in caught.value.failures]

    def output(self, code: str) -> str:
        (output,) = self.run(code).cells["attack"].outputs
        return str(output["text"]).strip()
