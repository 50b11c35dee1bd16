"""A fleet of replicas in its busiest hour, and how many of them it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np
import queueing
from replica import Replica

SPAN, WARM_UP = 3_600, 2_000  # seconds; requests that find the fleet still empty
EVERY, LASTS = 300, 60  # seconds: one minute in five is a burst


def fewest(enough: Callable[[int], bool]) -> int:
    return next(n for n in count(1) if enough(n))


@dataclass(frozen=True)
class Fleet:
    slots: int
    """Sequences that one replica decodes at a time."""
    residence: float
    """Seconds that a mean answer holds a slot, as if all slots were always busy."""
    output: float
    rate: float
    """Requests a second, on average."""
    target: float
    """Seconds that 95% of requests may wait at most."""

    @classmethod
    def of(
        cls, replica: Replica, prompt, output, token_seconds, rate, target
    ) -> "Fleet":
        slots = replica.slots(prompt, output, token_seconds)
        seconds = replica.residence_seconds(slots, prompt, output)
        return cls(slots, seconds, output, rate, target)

    def burst_rate(self, factor: float) -> float:
        return self.rate * factor * EVERY / (EVERY - LASTS + factor * LASTS)

    def traffic(self, seed: int, burst: float = 1) -> tuple[np.ndarray, np.ndarray]:
        """Arrivals, for one minute in five at `burst` times the rate of the other four; and the
        tokens of each answer: log-normal, so that a few are very long."""
        rng = np.random.default_rng(seed)
        arrivals = queueing.bursty(rng, self.rate, SPAN, EVERY, LASTS, burst)
        return arrivals, queueing.lengths(rng, len(arrivals), self.output, spread=1.5)

    def waits(
        self, arrivals, tokens, replicas: int, patience: float = np.inf
    ) -> np.ndarray:
        services = tokens * self.residence / self.output
        waits = queueing.simulate(arrivals, services, replicas * self.slots, patience)
        return waits[WARM_UP:]

    def needed(self, arrivals, tokens) -> int:
        busy = self.rate * tokens.mean() * self.residence / self.output

        def enough(replicas: int) -> bool:
            if replicas * self.slots < busy:
                return False  # cannot keep up at all
            waits = self.waits(arrivals, tokens, replicas)
            return bool(np.quantile(waits, 0.95) <= self.target)

        return fewest(enough)

    def five_runs(self, burst: float) -> list[int]:
        """Replicas needed with five seeds."""
        return [self.needed(*self.traffic(seed, burst)) for seed in range(5)]

    def bursts(
        self, share: float = 0, cap: float = np.inf
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Five runs, if this share of each burst is deferred and answers end at `cap` tokens."""
        runs = (self.traffic(seed, burst=2) for seed in range(5))
        return [
            (deferred(arrivals, share), np.minimum(tokens, cap))
            for arrivals, tokens in runs
        ]

    def most(self, runs: list[tuple[np.ndarray, np.ndarray]]) -> int:
        return max(self.needed(*run) for run in runs)

    def refused(self, replicas: int) -> float:
        """Share of five runs turned away at the door, if none may wait longer than the target."""
        runs = [self.waits(*each, replicas, self.target) for each in self.bursts()]
        assert max(map(np.nanmax, runs)) <= self.target
        return float(np.mean([np.isnan(waits).mean() for waits in runs]))

    def share_above(self, cap: int) -> float:
        return float(np.mean([(tokens > cap).mean() for _, tokens in self.bursts()]))

    def by_formula(self, rate: float, queues_of_their_own: bool = False) -> int:
        """Erlang C: any free slot is found, or requests wait at the replica they were sent to."""

        def enough(replicas: int) -> bool:
            servers, offered = replicas * self.slots, rate * self.residence
            if queues_of_their_own:
                servers, offered = self.slots, offered / replicas
            wait = queueing.wait_quantile(servers, offered, self.residence, 0.95)
            return wait <= self.target

        return fewest(enough)


def deferred(arrivals: np.ndarray, share: float) -> np.ndarray:
    """Arrivals, if this share of each burst is work that can wait for the next calm minutes."""
    rng = np.random.default_rng(1)
    later = (arrivals % EVERY < LASTS) & (rng.random(len(arrivals)) < share)
    calm = arrivals // EVERY * EVERY + rng.uniform(LASTS, EVERY, len(arrivals))
    return np.sort(np.where(later, calm, arrivals))
