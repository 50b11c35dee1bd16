"""Token buckets for a tenant's quota, counted in requests or in tokens."""

import math
import time
from collections import defaultdict

from fastapi import HTTPException


# --8<-- [start:bucket]
class TokenBucket:
    def __init__(self, burst: float, per_s: float) -> None:
        self.burst, self.per_s = burst, per_s
        self.level, self.filled_at = burst, time.monotonic()

    def take(self, cost: float) -> float:
        """Take `cost` and return 0, or take nothing and return the seconds to wait."""
        now = time.monotonic()
        refill = (now - self.filled_at) * self.per_s
        self.level, self.filled_at = min(self.burst, self.level + refill), now
        if cost > self.level:
            return (cost - self.level) / self.per_s
        self.level -= cost
        return 0.0


# --8<-- [end:bucket]


BUCKETS = {
    "requests": defaultdict(lambda: TokenBucket(burst=10, per_s=0.05)),
    "tokens": defaultdict(lambda: TokenBucket(burst=3_000, per_s=15)),
}


def charge(tenant: str, unit: str, tokens: int) -> None:
    bucket = BUCKETS[unit][tenant]
    cost = tokens if unit == "tokens" else 1
    if cost > bucket.burst:
        raise HTTPException(413, "larger than the whole quota: waiting will not help")
    if wait_s := bucket.take(cost):
        retry_after = {"Retry-After": str(math.ceil(wait_s))}
        raise HTTPException(429, "quota exhausted", retry_after)
