"""Runs in the sandbox: the SQL of one page or file, in a PostgreSQL server of its own.

A statement that the server refuses raises SqlError at its own line of the page.
"""

import atexit
import sys
from functools import cache

import psycopg
from local_postgres import start_postgres  # type: ignore[import-not-found]


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
    try:
        _connect().execute(text)
    except psycopg.Error as error:
        caller = sys._getframe(1)
        position = int(error.diag.statement_position or 1)
        line = caller.f_lineno + text[: position - 1].count("\n")
        # The innermost frame must be a line of the page, so code is made that stands there.
        reason = error.diag.message_primary or str(error)
        code = compile("\n" * (line - 1) + "raise error", caller.f_code.co_filename, "exec")
        exec(code, {"error": SqlError(reason)})
