"""Which worker runs the call. It knows workers, not customers or money."""

import threading
from collections import Counter

import httpx


class NoWorker(Exception):
    pass


class Scheduler:
    def __init__(self, limit: int = 16):
        self.busy, self.limit, self.lock, self.http = (
            Counter(),
            limit,
            threading.Lock(),
            httpx.Client(timeout=10),
        )

    # --8<-- [start:run]
    def run(self, workers: list[str], ability: str, body: dict) -> dict:
        """Least busy worker first; one that fails is passed over, a full one refuses."""
        for url in sorted(workers, key=lambda url: self.busy[url]):
            with self.lock:
                if self.busy[url] >= self.limit:
                    continue
                self.busy[url] += 1
            try:
                return (
                    self.http.post(f"{url}/{ability}", json=body)
                    .raise_for_status()
                    .json()
                )
            except httpx.HTTPError:
                continue  # inference changes nothing outside the worker: trying the next one is safe
            finally:
                with self.lock:
                    self.busy[url] -= 1
        raise NoWorker

    # --8<-- [end:run]
