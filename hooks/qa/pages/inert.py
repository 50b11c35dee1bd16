"""Text and HTML from runs, written so that Markdown sets them aside: nothing in them is markup."""

from __future__ import annotations

import re

MARKUP = re.compile(r"[`~\\$*_{}\[\]!|^\n\t]")
"""Where any extension of Markdown might begin to read."""
IN_PROSE = re.compile(r"""[!"#$&'()*:;<=>?@\[\\\]^_`{|}~\n\t]|[.+-](?!\d)|^\s|\s(?=\s)""")
"""The same in a line of Markdown; plain numbers stay, as formulas hold them."""


def inert_html(markup: str) -> str:
    """HTML as one line without a character of Markdown's; a browser shows the same.

    Fences, included files and lists begin at the start of a line, and what else there is, with one
    of these characters: as references to characters they are not seen before the browser.
    """
    return MARKUP.sub(_reference, markup)


def inert_text(text: str) -> str:
    """Text for a line of Markdown, in which it stands for itself."""
    return IN_PROSE.sub(_reference, text)


def _reference(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
