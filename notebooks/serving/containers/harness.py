"""Start the real server as a process, probe it as the kubelet does, load it as clients do."""

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import matplotlib.pyplot as plt
import numpy as np

HTTP = httpx.Client(
    limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
    trust_env=False,
    timeout=90,
)
BEGAN = time.monotonic()
SEEN: list[tuple[float, str, bool]] = []  # every probe: seconds, URL, success
# Every request: seconds sent, seconds answered, status.
SPANS: list[tuple[float, float, int]] = []
pool = ThreadPoolExecutor(24)


def now() -> float:
    return time.monotonic() - BEGAN


def start(name: str, **settings: str) -> tuple[subprocess.Popen, str]:
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        port = finder.getsockname()[1]
    # A pipe in place of the object store: the caller decides when the load ends.
    os.mkfifo(f"{name}.weights")
    command = [
        *[sys.executable, "-m", "uvicorn", "server:app", "--port", str(port)],
        *["--log-level", "error", "--timeout-graceful-shutdown", "60"],
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
    prompt = {"token": 1, "max_tokens": tokens}
    status = HTTP.post(f"{url}/generate", json=prompt).status_code
    SPANS.append((sent, now(), status))
    return status


def verdict(url: str, settings: dict) -> list[bool]:
    """As many probes as the kubelet allows to fail, back to back instead of one a period."""
    return [
        probe(url, settings["timeoutSeconds"])
        for _ in range(settings["failureThreshold"])
    ]


def failures_in_a_row(oks: list[bool]) -> int:
    runs = [len(list(run)) for ok, run in itertools.groupby(oks) if not ok]
    return max(runs, default=0)


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


def timeline(lanes: dict[str, str], sigterm_at: float) -> None:
    """Requests in flight above; below, the probes of each URL over time."""
    served = [span for span in SPANS if span[2] == 200]
    edges = sorted(edge for a, b, _ in served for edge in ((a, 1), (b, -1)))
    _fig, (top, low) = plt.subplots(
        nrows=2,
        figsize=(7, 4.2),
        sharex=True,
        height_ratios=[2, 1.6],
        layout="constrained",
    )
    at, steps = zip(*edges)
    top.step(at, np.cumsum(steps), where="post")
    top.set_ylabel("requests in flight")
    top.annotate("SIGTERM", (sigterm_at, 8), xytext=(6, 0), textcoords="offset points")
    for ok, marker, colour in ((True, "|", "C2"), (False, "x", "C1")):
        points = [
            (t, y)
            for y, url in enumerate(lanes.values())
            for t, probed, was_ok in SEEN
            if probed == url and was_ok == ok
        ]
        label = "ok" if ok else "failed"
        low.scatter(*zip(*points), marker=marker, color=colour, s=60, label=label)
    low.set_yticks(range(len(lanes)), lanes)
    low.invert_yaxis()
    low.set_xlabel("time since start (s)")
    low.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    for axis in (top, low):
        axis.axvline(sigterm_at, linestyle="--", color="C3")
    plt.show()


def close() -> None:
    pool.shutdown()
    HTTP.close()
