"""Runs in the sandbox: the SQL of one page or file, in a PostgreSQL server of its own.

A statement that the server refuses raises SqlError at its own line of the page.
"""

import atexit
import re
import sys
from functools import cache
from typing import NoReturn

import psycopg
from local_postgres import start_postgres  # type: ignore[import-not-found]
from psycopg.pq import DiagnosticField, ExecStatus

COPIES = (ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH)

COMMENT = r"--[^\n]*|/\*.*?\*/"
BLANK = re.compile(rf"(?:\s+|{COMMENT})*", re.DOTALL)
TOKEN = re.compile(
    rf"""{COMMENT}|'(?:[^']|'')*'|"[^"]*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|(?P<end>;)""", re.DOTALL
)
"""What may hold a semicolon that ends no statement, and one that does."""


class SqlError(Exception):
    """What PostgreSQL says of a statement."""


@cache
def _connect() -> psycopg.Connection[tuple[object, ...]]:
    (address,), _ = start_postgres("session")
    connection = psycopg.connect(address, autocommit=True)
    atexit.register(connection.close)
    return connection


def execute(text: str) -> None:
    """Run statements. `text` begins on the line of the caller's file on which the call stands."""
    connection = _connect().pgconn
    connection.send_query(text.encode())
    done = 0
    while result := connection.get_result():
        if result.status == ExecStatus.FATAL_ERROR:
            reason = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"refused"
            position = result.error_field(DiagnosticField.STATEMENT_POSITION)
            at = int(position) - 1 if position else (_starts(text)[: done + 1] or [0])[-1]
            _raise(reason.decode(), text[:at].count("\n"))
        if result.status in COPIES:
            _raise("COPY from or to a client: write a list of VALUES", 0)
        done += 1


def _starts(text: str) -> list[int]:
    """Where each statement begins."""
    ends = [0, *(match.end() for match in TOKEN.finditer(text) if match["end"]), len(text)]
    firsts = [BLANK.match(text, end).end() for end in ends[:-1]]  # type: ignore[union-attr]
    return [first for first in firsts if text[first : first + 1] not in ("", ";")]


def _raise(reason: str, lines: int) -> NoReturn:
    """As if the line that many below the call of `execute` did.

    The innermost frame must be a line of the page, so code is made that stands there.
    """
    caller = sys._getframe(2)
    line = caller.f_lineno + lines
    code = compile("\n" * (line - 1) + "raise error", caller.f_code.co_filename, "exec")
    exec(code, {"error": SqlError(reason)})
    raise AssertionError
