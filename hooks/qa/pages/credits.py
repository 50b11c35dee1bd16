"""Models and engines that examples run, with their makers and licences."""

from __future__ import annotations

import html
from dataclasses import dataclass

from qa.run.notebook import Notebook
from qa.words import WORDS


@dataclass(frozen=True)
class Credit:
    """`what` is a key of `Words.credited`."""

    what: str
    name: str
    maker: str
    license: str
    address: str


CREDITS = {
    "language_model": Credit(
        "weights",
        "SmolLM2-135M-Instruct",
        "HuggingFaceTB",
        "Apache-2.0",
        "https://huggingface.co/HuggingFaceTB/SmolLM2-135M-Instruct",
    ),
    "xllamacpp": Credit(
        "engine", "llama.cpp", "ggml-org", "MIT", "https://github.com/ggml-org/llama.cpp"
    ),
}
"""By the module that a notebook, or a module it imports, must import to use it. Libraries are named
with their versions; these are not, or by their wheel alone."""


def of(notebook: Notebook) -> list[Credit]:
    return [credit for name, credit in CREDITS.items() if name in notebook.mentions.modules]


def line(credit: Credit, language: str) -> str:
    """As HTML."""
    words = WORDS[language]
    link = f'<a href="{credit.address}">{html.escape(credit.name)}</a>'
    parts = (link, html.escape(credit.maker), html.escape(credit.license))
    return f"{words.credited[credit.what]}{words.colon}{words.separator.join(parts)}"
