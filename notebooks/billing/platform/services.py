"""Services of our own on this machine, stopped when the notebook ends, and threads."""

import atexit
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from language_model import metrics_at


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


def start_engine() -> tuple[str, subprocess.Popen]:
    """A language model in an engine, which chooses its port itself."""
    process = subprocess.Popen(
        [sys.executable, "engine.py"], stdout=subprocess.PIPE, text=True
    )
    atexit.register(process.kill)
    return process.stdout.readline().strip(), process


def tokens_made(engines: Iterable[str]) -> int:
    """The engines' own count of tokens generated, once they are idle."""
    total = 0
    for url in engines:
        counts = {"requests_processing": 1}
        while counts["requests_processing"]:
            counts = metrics_at(url)
            time.sleep(0.01)
        total += int(counts["tokens_predicted_total"])
    return total


def kill(process: subprocess.Popen) -> None:
    """SIGKILL: no goodbye."""
    process.kill()
    process.wait()
    if process.stdout:
        process.stdout.close()


def at_once(n: int, work: Callable[[int], object]) -> list:
    """Call work(0) to work(n - 1) in n threads that start together."""
    ready = threading.Barrier(n)

    def start_together(i: int) -> object:
        ready.wait()
        return work(i)

    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(start_together, range(n)))
