"""Text from outside, made fit for a terminal, a log and a page: nothing in it acts or hides."""

from __future__ import annotations

import re

SEQUENCE = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, movements
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c|\Z)"  # OSC, DCS
    r"|\x1b[ -/]*[0-~]"
)
"""What a terminal takes for a command; of a link (OSC 8) its text is left."""

UNSEEN = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff"
    r"\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)
"""Controls, marks that turn the direction of writing, half characters. Joiners of letters and
emoji stay."""

COMMAND = re.compile(r"^([^\S\n]*):(?=:)|#(?=#(?:\[|vso\[))", re.M | re.I)
"""Where a log of continuous integration would begin to read a command."""


def printable(text: str) -> str:
    """Without the commands of terminals; what cannot be seen is written as its escape.

    Lines and tabs stay. What is printable already comes back as it is.
    """
    return UNSEEN.sub(_escape, SEQUENCE.sub("", text))


def is_printable(text: str) -> bool:
    return UNSEEN.search(text) is None


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def loggable(text: str) -> str:
    """Printable, and with nothing that a log would take for a command to it."""
    return COMMAND.sub(lambda match: f"{match[0]}\\", printable(text))
