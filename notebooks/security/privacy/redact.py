"""Personal data of fixed format out of prompts and logs; the table that restores it stays here."""

import logging
import re

PERSONAL = re.compile(
    r"(?P<PHONE>(?<!\d)1[3-9]\d{9}(?!\d))"
    r"|(?P<ID>(?<!\d)\d{17}[\dX](?!\d))"
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
    return re.sub("|".join(map(re.escape, vault)), lambda m: vault[m.group()], text)


# --8<-- [start:filter]
class Redacted(logging.Filter):
    """On the handler, so that it sees what every logger hands to it."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = redact(record.getMessage())[0], None
        return True


# --8<-- [end:filter]
