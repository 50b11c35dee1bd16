"""Starts the replicas and sends them load, as the clients of a service do."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterable

import pandas as pd
from routing import Balancer


def start(step_s: float) -> subprocess.Popen:
    command = [sys.executable, "replica.py", str(step_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def url(server: subprocess.Popen) -> str:
    return f"http://127.0.0.1:{int(server.stdout.readline())}"


async def open_loop(
    balancer: Balancer, due_s: Iterable[float], tokens: int
) -> pd.DataFrame:
    """Requests come when they are due, whether or not the earlier ones are answered."""
    began = time.monotonic()

    async def one(due: float) -> tuple[int, float]:
        await asyncio.sleep(began + due - time.monotonic())
        replica, _ = await balancer.send(tokens=tokens)
        # From when it was due, not from when it was sent: no queueing is left out.
        return replica, time.monotonic() - began - due

    answers = await asyncio.gather(*map(one, due_s))
    return pd.DataFrame(answers, columns=["replica", "seconds"])


async def closed_loop(
    balancer: Balancer, calls: list[dict], workers: int
) -> pd.DataFrame:
    """Each worker sends its next call when its last one is answered."""
    todo, log = iter(calls), []

    async def worker() -> None:
        for params in todo:  # one iterator, shared by all workers
            log.append(await balancer.send(**params))

    await asyncio.gather(*(worker() for _ in range(workers)))
    return pd.DataFrame(log, columns=["replica", "status"])
