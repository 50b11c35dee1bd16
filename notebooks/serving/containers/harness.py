"""Start the real server as a process, probe it as the kubelet does, load it as clients do."""

import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx

HTTP = httpx.Client(
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    trust_env=False,
    timeout=90,
)
BEGAN = time.monotonic()
SEEN: list[tuple[float, str, bool]] = []  # every probe: seconds, URL, success
SPANS: list[
    tuple[float, float, int]
] = []  # every request: seconds sent, seconds answered, status
pool = ThreadPoolExecutor(24)


def now() -> float:
    return time.monotonic() - BEGAN


def start(name: str, **settings: str) -> tuple[subprocess.Popen, str]:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    os.mkfifo(
        f"{name}.weights"
    )  # a pipe in place of the object store: the caller decides when the load ends
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "server:app",
        "--port",
        str(port),
        "--log-level",
        "error",
        "--timeout-graceful-shutdown",
        "60",
    ]
    process = subprocess.Popen(
        command,
        env=os.environ | {"WEIGHTS": f"{name}.weights"} | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return process, f"http://127.0.0.1:{port}"


def probe(url: str, timeout_s: float = 5) -> bool:
    """A new connection each time; 200 to 399 within the timeout is success, anything else a failure."""
    try:
        ok = 200 <= HTTP.get(url, timeout=timeout_s).status_code < 400
    except httpx.HTTPError:
        ok = False
    SEEN.append((now(), url, ok))
    return ok


def ask(url: str, tokens: int) -> int:
    sent = now()
    status = HTTP.post(
        f"{url}/generate", json={"token": 1, "max_tokens": tokens}
    ).status_code
    SPANS.append((sent, now(), status))
    return status


def verdict(url: str, settings: dict) -> list[bool]:
    """As many probes as the kubelet allows to fail, back to back instead of one a period."""
    return [
        probe(url, settings["timeoutSeconds"])
        for _ in range(settings["failureThreshold"])
    ]


def metric(url: str, name: str) -> int:
    lines = HTTP.get(f"{url}/metrics").text.splitlines()
    return next(
        int(line.split()[1])
        for line in lines
        if line.startswith(f"server_requests_{name} ")
    )


@contextmanager
def overload(url: str, tokens: int, clients: int):
    """Clients that ask again and again; the block runs once the server has refused one of them."""
    stop, full = threading.Event(), threading.Event()

    def client() -> None:
        while not stop.is_set():
            if ask(url, tokens) == 429:
                full.set()
                time.sleep(0.2)

    for _ in range(clients):
        pool.submit(client)
    try:
        if not full.wait(20):
            raise TimeoutError("the queue never filled")
        yield
    finally:
        stop.set()


def wait_until(condition, limit_s: float = 30.0) -> None:
    end = now() + limit_s
    while not condition():
        if now() > end:
            raise TimeoutError("gave up waiting")
        time.sleep(0.05)
