"""A fleet of replicas in its busiest hour, and how many of them it takes."""

from dataclasses import dataclass

import numpy as np
import queueing

SPAN, WARM_UP = 3_600, 2_000  # seconds; requests that find the fleet still empty


@dataclass(frozen=True)
class Fleet:
    slots: int
    """Sequences that one replica decodes at a time."""
    residence: float
    """Seconds that a mean answer holds a slot, as if all slots were always busy."""
    output: float
    rate: float
    """Requests a second."""
    target: float
    """Seconds that 95% of requests may wait at most."""

    def traffic(self, seed: int, burst: float = 1) -> tuple[np.ndarray, np.ndarray]:
        """Arrivals, for one minute in five at `burst` times the rate of the other four; and the
        tokens of each answer: log-normal, so that a few are very long."""
        rng = np.random.default_rng(seed)
        arrivals = queueing.bursty(
            rng, self.rate, SPAN, every=300, lasts=60, factor=burst
        )
        return arrivals, queueing.lengths(rng, len(arrivals), self.output, spread=1.5)

    def waits(
        self, arrivals, tokens, replicas: int, patience: float = np.inf
    ) -> np.ndarray:
        services = tokens * self.residence / self.output
        waits = queueing.simulate(arrivals, services, replicas * self.slots, patience)
        return waits[WARM_UP:]

    def p95(self, arrivals, tokens, replicas: int) -> float:
        return float(np.quantile(self.waits(arrivals, tokens, replicas), 0.95))

    def needed(self, arrivals, tokens) -> int:
        replicas = 1
        while (
            replicas * self.slots
            < self.rate * tokens.mean() * self.residence / self.output
        ):
            replicas += 1  # fewer cannot keep up at all
        while self.p95(arrivals, tokens, replicas) > self.target:
            replicas += 1
        return replicas

    def one_queue(self, replicas: int) -> float:
        """By formula, for Poisson arrivals and exponential times: any free slot is found."""
        offered = self.rate * self.residence
        return queueing.wait_quantile(
            replicas * self.slots, offered, self.residence, 0.95
        )

    def own_queues(self, replicas: int) -> float:
        """The same, if requests are dealt out blindly, and wait where they were sent."""
        offered = self.rate * self.residence / replicas
        return queueing.wait_quantile(self.slots, offered, self.residence, 0.95)


def deferred(arrivals: np.ndarray, share: float) -> np.ndarray:
    """Arrivals, if this share of each burst is work that can wait for the next calm minutes."""
    rng = np.random.default_rng(1)
    later = (arrivals % 300 < 60) & (rng.random(len(arrivals)) < share)
    calm = arrivals // 300 * 300 + rng.uniform(60, 300, len(arrivals))
    return np.sort(np.where(later, calm, arrivals))
