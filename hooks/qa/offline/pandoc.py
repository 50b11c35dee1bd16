"""Pandoc, which makes of a book's HTML what readers open."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pypandoc


def convert(text: str, work: Path, *arguments: str) -> str:
    """What it prints. Pictures lie below `work`, and nobody's own templates and styles do, which
    would change the book.

    Raises CalledProcessError.
    """
    done = subprocess.run(
        [pypandoc.get_pandoc_path(), "--from=html+tex_math_single_backslash", *arguments],
        input=text.encode(),
        stdout=subprocess.PIPE,
        cwd=work,
        env={"HOME": str(work), "LC_ALL": "C.UTF-8"},
        check=True,
    )
    return done.stdout.decode()
