"""Personal data of fixed format out of prompts and logs; the table that restores it stays here."""

import logging
import re

PERSONAL = re.compile(
    r"(?P<PHONE>(?<!\d)(?:\+?86[- ]?)?1[3-9]\d(?:[- ]?\d{4}){2}(?!\d))"
    r"|(?P<ID>(?<!\d)\d{17}[\dXx](?!\d))"
    r"|(?P<EMAIL>[\w.+-]+@[\w-]+\.[\w.]+)",
    re.ASCII,
)


def redact(text: str) -> tuple[str, dict[str, str]]:
    tokens: dict[str, str] = {}

    def token(found: re.Match) -> str:
        return tokens.setdefault(found.group(), f"<{found.lastgroup}_{len(tokens)}>")

    clean = PERSONAL.sub(token, text)
    return clean, {token: value for value, token in tokens.items()}


def restore(text: str, vault: dict[str, str]) -> str:
    for token, value in vault.items():
        text = text.replace(token, value)
    return text


# --8<-- [start:formatter]
class Redacted(logging.Formatter):
    """The last to touch the text: message, arguments and traceback are one string by then."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))[0]


# --8<-- [end:formatter]
