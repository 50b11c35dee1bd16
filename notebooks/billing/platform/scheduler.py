"""Which worker runs the call. It knows workers, not customers or money.

Each gateway counts only its own calls; a shared view needs the engines' metrics.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpx


class NoWorker(Exception):
    pass


class Scheduler:
    def __init__(self, limit: int = 16):
        self.limit = limit
        self.busy: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.http = httpx.Client(timeout=10)

    # --8<-- [start:run]
    def run(self, workers: list[str], path: str, body: dict) -> dict:
        """Least busy worker first; one that fails or is full is passed over."""
        for url in self.ranked(workers):
            try:
                with self.slot(url):
                    reply = self.http.post(url + path, json=body)
                    return reply.raise_for_status().json()
            except (NoWorker, httpx.HTTPError):
                # Inference changes nothing outside the worker: trying the next is safe.
                continue
        raise NoWorker

    # --8<-- [end:run]

    def ranked(self, workers: list[str]) -> list[str]:
        return sorted(workers, key=lambda url: self.busy[url])

    @contextmanager
    def slot(self, url: str) -> Iterator[None]:
        with self.lock:
            if self.busy[url] >= self.limit:
                raise NoWorker
            self.busy[url] += 1
        try:
            yield
        finally:
            with self.lock:
                self.busy[url] -= 1
