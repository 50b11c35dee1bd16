"""Which worker runs the call. It knows workers, not customers or money."""

import threading
from collections import Counter

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
    def run(self, workers: list[str], model: str, body: dict) -> dict:
        """Least busy worker first; one that fails or is full is passed over."""
        for url in sorted(workers, key=lambda url: self.busy[url]):
            with self.lock:
                if self.busy[url] >= self.limit:
                    continue
                self.busy[url] += 1
            try:
                reply = self.http.post(f"{url}/{model}", json=body)
                return reply.raise_for_status().json()
            except httpx.HTTPError:
                # Inference changes nothing outside the worker: trying the next is safe.
                continue
            finally:
                with self.lock:
                    self.busy[url] -= 1
        raise NoWorker

    # --8<-- [end:run]
