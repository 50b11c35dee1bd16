"""Large-Model Engineering Q&A: run the examples, check the pages, put the results into them.

One direction, no way back: `qa.run` runs notebooks and knows nothing of pages; `qa.check` says what
becomes of code that is not run; `qa.pages` makes Markdown out of Markdown and results; `qa.finish`
makes HTML out of built HTML; `qa.adapters` know site generators, and nothing else does.
"""

LANGUAGES = ("zh", "en")
"""Folders below docs/, the source language first."""


def root_of(language: str) -> str:
    """The folder of a language below the root of the site, with its slash: none for the first."""
    return "" if language == LANGUAGES[0] else f"{language}/"
