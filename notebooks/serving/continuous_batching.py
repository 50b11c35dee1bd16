"""One replica of a language model in virtual time, step by step: continuous batching, a queue, a KV cache.

After Yu et al., Orca, 2022 (iteration-level scheduling) and Kwon et al., PagedAttention, 2023 (what
no longer fits is preempted and computed again).
"""

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np


@dataclass
class Cost:
    """Milliseconds of a step of the engine, as measured."""

    base: float
    sequence: float  # for each sequence of the batch
    prompt: float  # for each prompt token

    def step(self, sequences: int, prompt_tokens: int = 0) -> float:
        return self.base + self.sequence * sequences + self.prompt * prompt_tokens


@dataclass
class Request:
    at: float  # ms
    prompt: int
    output: int
    made: int = 0
    first: float = math.inf
    done: float = math.inf


@dataclass
class Replica:
    cost: Cost
    seats: int
    kv_tokens: float = math.inf
    slowdown: float = 1.0
    now: float = 0.0
    recomputed: int = 0
    waiting: deque = field(default_factory=deque)
    running: list = field(default_factory=list)

    def used(self, growth: int = 0) -> int:
        return sum(r.prompt + r.made + growth for r in self.running)

    def step(self) -> None:
        prefill = 0
        while self.waiting and len(self.running) < self.seats:
            new = self.waiting[0].prompt + self.waiting[0].made
            if self.running and self.used(1) + new + 1 > self.kv_tokens:
                break  # admitted by what it needs now, as vLLM does
            prefill += new
            self.running.append(self.waiting.popleft())
        while len(self.running) > 1 and self.used(1) > self.kv_tokens:
            victim = self.running.pop()  # the last to come starts again
            self.recomputed += victim.prompt + victim.made
            self.waiting.appendleft(victim)
        ms = self.cost.step(len(self.running), prefill)
        self.now += self.slowdown * ms
        for request in self.running:
            request.made += 1
            request.first = min(request.first, self.now)
            if request.made == request.output:
                request.done = self.now
        self.running = [r for r in self.running if r.done == math.inf]

    def load(self) -> int:
        return len(self.waiting) + len(self.running)

    def run_until(self, at: float) -> None:
        while self.now < at and (self.running or self.waiting):
            self.step()
        self.now = max(self.now, at) if at < math.inf else self.now


MEAN_PROMPT, MEAN_OUTPUT = 40, 30  # tokens


def capacity(cost: Cost, seats: int) -> float:
    """Requests per ms that one replica sustains with all seats taken."""
    decode = MEAN_OUTPUT * (cost.base / seats + cost.sequence)
    return 1 / (decode + MEAN_PROMPT * cost.prompt)


def poisson(per_ms: float, seed: int, count: int = 600) -> list[Request]:
    rng = np.random.default_rng(seed)
    at = rng.exponential(1 / per_ms, count).cumsum()
    # Log-normal lengths of the given means.
    lengths = rng.lognormal(-0.125, 0.5, (count, 2))
    tokens = np.ceil(lengths * (MEAN_PROMPT, MEAN_OUTPUT)).astype(int)
    return [Request(t, int(p), int(o)) for t, (p, o) in zip(at, tokens)]
