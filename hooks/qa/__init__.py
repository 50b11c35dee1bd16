"""Large-Model Engineering Q&A: run the examples, check the pages, put the results into them.

`qa.run` runs notebooks and knows nothing of pages or MkDocs; `qa.check` checks code that is
not run; `qa.pages` makes Markdown out of Markdown and results and knows nothing of processes;
`qa.site` calls them, and is called by `hooks/main.py` (MkDocs) and `qa.cli` (the `qa` command).
"""

LANGUAGES = ("zh", "en")
"""Folders below docs/, the source language first."""
TITLES = {"zh": "大模型工程问答", "en": "Large-Model Engineering Q&A"}


def root_of(language: str) -> str:
    """The folder of a language below the root of the site, with its slash: none for the first."""
    return "" if language == LANGUAGES[0] else f"{language}/"
