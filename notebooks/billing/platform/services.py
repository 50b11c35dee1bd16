"""Services of our own on this machine, stopped when the notebook ends, and threads."""

import atexit
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


def start(script: str, **environment: str) -> tuple[str, subprocess.Popen]:
    """Start a service on a free port, which it inherits, so that no other can take it.

    Requests sent before it is ready wait in the socket's queue.
    """
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        process = subprocess.Popen(
            [sys.executable, script, str(listening.fileno())],
            pass_fds=[listening.fileno()],
            env=os.environ | environment,
        )
        atexit.register(process.kill)
        return f"http://127.0.0.1:{listening.getsockname()[1]}", process


def kill(process: subprocess.Popen) -> None:
    """SIGKILL: no goodbye."""
    process.kill()
    process.wait()


def at_once(n: int, work: Callable[[int], object]) -> list:
    """Call work(0) to work(n - 1) in n threads that start together."""
    ready = threading.Barrier(n)

    def start_together(i: int) -> object:
        ready.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(start_together, range(n)))
