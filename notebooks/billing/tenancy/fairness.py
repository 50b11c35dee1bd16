"""Several tenants share one replica with continuous batching: who is admitted next?

A model, not a GPU: a prompt takes PREFILL_S a token, during which decoding waits; a decoding step
takes STEP_S and SEQUENCE_S for each sequence of the batch. Nothing is preempted.
"""

import heapq
import random
from bisect import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from math import ceil, inf

SLOTS, KV_TOKENS = 32, 100_000
PREFILL_S, STEP_S, SEQUENCE_S = 0.0001, 0.020, 0.0003
W_IN, W_OUT = 1, 5  # relative prices of a token: $3 and $15 a million


@dataclass
class Request:
    tenant: str
    asked: float  # when the client wanted it, whatever a limiter did to it since
    prompt: int
    output: int
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = self.output


@dataclass(frozen=True)
class Tenant:
    """Sends `rate` requests a second (Poisson), or keeps `outstanding` of them open at all times."""

    name: str
    prompt: tuple[int, int]  # shortest and longest, in tokens
    output: tuple[int, int]
    rate: float = 0
    outstanding: int = 0
    start: float = 0

    def request(self, chance: random.Random, at: float) -> Request:
        return Request(
            self.name, at, chance.randint(*self.prompt), chance.randint(*self.output)
        )


class Fifo:
    """First come, first served; `per_tenant` caps what one tenant has in the batch."""

    def __init__(self, per_tenant: float = inf) -> None:
        self.queue: deque[Request] = deque()
        self.per_tenant = per_tenant

    def push(self, request: Request) -> None:
        self.queue.append(request)

    def pop(self, running: list[Request]) -> Request | None:
        if self.per_tenant == inf:
            return self.queue.popleft() if self.queue else None
        busy = Counter(request.tenant for request in running)
        for i, request in enumerate(self.queue):
            if busy[request.tenant] < self.per_tenant:
                del self.queue[i]
                return request
        return None

    def charge(self, tenant: str, tokens: float) -> None:
        """Nothing to count."""


# --8<-- [start:fair]
class FairQueue:
    """Virtual token counters (Sheng et al., 2024): the least served is next."""

    def __init__(self, lift: bool = True, **weights: float) -> None:
        self.lift, self.weights = lift, weights
        self.waiting: dict[str, deque[Request]] = defaultdict(deque)
        self.served: dict[str, float] = defaultdict(float)
        self.last = ""  # of those who left the queue

    def push(self, request: Request) -> None:
        name = request.tenant
        if self.lift and not self.waiting[name]:
            # Whoever was idle starts level with the least served: no saved-up credit.
            others = [self.served[t] for t, queue in self.waiting.items() if queue]
            level = min(others, default=self.served[self.last])
            self.served[name] = max(self.served[name], level)
        self.waiting[name].append(request)

    def pop(self, running: list[Request]) -> Request | None:
        tenants = [tenant for tenant, queue in self.waiting.items() if queue]
        if not tenants:
            return None
        self.last = min(tenants, key=self.served.__getitem__)
        return self.waiting[self.last].popleft()

    def charge(self, tenant: str, tokens: float) -> None:
        """By price: the prompt at admission, each output token when it is made."""
        self.served[tenant] += tokens / self.weights.get(tenant, 1)


# --8<-- [end:fair]


class Shaper:
    """A token bucket whose clients wait exactly as long as they are told."""

    def __init__(self, per_s: float, burst: float) -> None:
        self.per_s, self.burst = per_s, burst
        self.full_at: dict[str, float] = defaultdict(float)

    def admit_at(self, request: Request, now: float) -> float:
        seconds = (W_IN * request.prompt + W_OUT * request.output) / self.per_s
        self.full_at[request.tenant] = max(self.full_at[request.tenant], now) + seconds
        return max(now, self.full_at[request.tenant] - self.burst / self.per_s)


@dataclass
class Result:
    waits: dict[
        str, list[tuple[float, float]]
    ]  # (when it was asked for, time to first token)
    service: dict[str, list[tuple[float, float]]]  # (time, tokens by price until then)
    most_tokens: int  # in the batch at one time

    def p95(self, name: str, since: float, until: float) -> float:
        """Of the times to first token of tenants whose name begins so."""
        waits = [
            wait
            for tenant, pairs in self.waits.items()
            for asked, wait in pairs
            if tenant.startswith(name) and since <= asked < until
        ]
        return sorted(waits)[ceil(0.95 * len(waits)) - 1]

    def served(self, name: str, since: float, until: float) -> float:
        """Tokens by price, of tenants whose name begins so."""

        def at(moment: float, curve: list[tuple[float, float]]) -> float:
            return curve[bisect(curve, (moment, inf)) - 1][1]

        curves = [c for tenant, c in self.service.items() if tenant.startswith(name)]
        return sum(at(until, curve) - at(since, curve) for curve in curves)

    def gap(self) -> float:
        """The most by which one of two tenants got ahead of the other in any interval."""
        one, other = self.service.values()
        ahead = [a - b for (_, a), (_, b) in zip(one, other)]
        return max(ahead) - min(ahead)


def simulate(
    tenants: Iterable[Tenant],
    policy: Fifo | FairQueue,
    seconds: float,
    seed: int,
    shaper: Shaper | None = None,
) -> Result:
    tenants = {tenant.name: tenant for tenant in tenants}
    chance = {name: random.Random(f"{seed}/{name}") for name in tenants}
    tie, arrivals = count(), []

    def arrive(name: str, at: float) -> None:
        request = tenants[name].request(chance[name], at)
        admitted = shaper.admit_at(request, at) if shaper else at
        heapq.heappush(arrivals, (admitted, next(tie), request))

    for name, tenant in tenants.items():
        for _ in range(tenant.outstanding):
            arrive(name, tenant.start)
        at = tenant.start
        while (
            tenant.rate and (at := at + chance[name].expovariate(tenant.rate)) < seconds
        ):
            arrive(name, at)

    now, most_tokens, running = 0.0, 0, []
    waits, served = defaultdict(list), defaultdict(float)
    service = {name: [(0.0, 0.0)] for name in tenants}

    def charge(name: str, tokens: float) -> None:
        served[name] += tokens
        policy.charge(name, tokens)

    held = None  # chosen by the policy, does not fit into the KV cache yet
    while now < seconds:
        while arrivals and arrivals[0][0] <= now:
            policy.push(heapq.heappop(arrivals)[2])
        in_cache = sum(request.prompt + request.output for request in running)
        admitted = []
        while len(running) < SLOTS and (held := held or policy.pop(running)):
            in_cache += held.prompt + held.output
            if in_cache > KV_TOKENS:
                break
            most_tokens = max(most_tokens, in_cache)
            now += held.prompt * PREFILL_S
            charge(held.tenant, W_IN * held.prompt)
            running.append(held)
            admitted.append(held)
            held = None
        next_arrival = arrivals[0][0] if arrivals else inf
        if running:
            step = STEP_S + SEQUENCE_S * len(running)
            for request in admitted:
                waits[request.tenant].append(
                    (request.asked, now + step - request.asked)
                )
            steps = min(request.left for request in running)
            if next_arrival < now + steps * step:
                steps = max(1, ceil((next_arrival - now) / step))
            now += steps * step
            for request in running:
                request.left -= steps
                charge(request.tenant, W_OUT * steps)
            for request in [r for r in running if not r.left]:
                running.remove(request)
                if tenants[request.tenant].outstanding:
                    arrive(request.tenant, now)
        else:
            now = next_arrival
        for name in tenants:
            service[name].append((now, served[name]))
    return Result(waits, service, most_tokens)
