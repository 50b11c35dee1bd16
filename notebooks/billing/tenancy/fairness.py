"""Several tenants share one replica with continuous batching: who is admitted next?

A model of an engine, not one: Llama 3.1 8B in BF16 on an H100, at half of what the data sheet
promises (assumed). A prompt is computed while decoding waits; nothing is preempted.
"""

import heapq
import random
from bisect import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from math import ceil, inf

from facts import fact
from transformer_costs import accelerator, transformer

MODEL, GPU, ATTAINED = transformer("llama_3_1_8b"), accelerator("h100_sxm"), 0.5
# What vLLM takes of a card by default, and what it needs beside weights and cache: assumed.
USABLE = fact("vllm_defaults.gpu_memory_utilization") * fact("cuda_memory.h100_gib")
MEMORY, WORKSPACE = USABLE * 2**30, 3e9  # bytes
BLOCK = fact("vllm_defaults.block_size_tokens")
WEIGHTS = 2 * MODEL.parameters  # bytes in BF16
# For each token of a prompt:
PREFILL_S = MODEL.forward_flops(1) / (GPU.bf16_flops * ATTAINED)
STEP_S = WEIGHTS / (GPU.bandwidth * ATTAINED)  # a decoding step reads all weights,
CACHED_S = MODEL.kv_bytes() / (GPU.bandwidth * ATTAINED)  # and each token in the cache
KV_ROOM = MEMORY - WORKSPACE - WEIGHTS
KV_TOKENS = int(KV_ROOM // (BLOCK * MODEL.kv_bytes())) * BLOCK  # whole blocks
SLOTS = fact("vllm_defaults.max_num_seqs")
W_IN, W_OUT = 1, 5  # relative prices of a token: $3 and $15 a million


@dataclass
class Request:
    tenant: str
    asked: float  # when the client wanted it, whatever a limiter did to it since
    prompt: int
    output: int


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
    """First come, first served."""

    def __init__(self) -> None:
        self.queue: deque[Request] = deque()

    def push(self, request: Request) -> None:
        self.queue.append(request)

    def pop(self) -> Request | None:
        return self.queue.popleft() if self.queue else None

    def charge(self, tenant: str, tokens: float) -> None:
        """Nothing to count."""


class Turns(Fifo):
    """Round robin: the tenants who wait take turns, a request each, whatever its size."""

    def __init__(self) -> None:
        self.waiting: dict[str, deque[Request]] = {}  # in the order of their turns

    def push(self, request: Request) -> None:
        self.waiting.setdefault(request.tenant, deque()).append(request)

    def pop(self) -> Request | None:
        name = next(iter(self.waiting), None)
        if name is None:
            return None
        queue = self.waiting.pop(name)
        request = queue.popleft()
        if queue:
            self.waiting[name] = queue  # to the end of the round
        return request


class FairQueue:
    """Virtual token counters (Sheng et al., 2024): the least served is next."""

    def __init__(self) -> None:
        self.waiting: dict[str, deque[Request]] = defaultdict(deque)
        self.served: dict[str, float] = defaultdict(float)
        self.last = ""  # whose request was taken last

    # --8<-- [start:fair]
    def push(self, request: Request) -> None:
        name = request.tenant
        if not self.waiting[name]:  # it was idle: it starts level, without credit
            others = [self.served[t] for t, queue in self.waiting.items() if queue]
            level = min(others, default=self.served[self.last])
            self.served[name] = max(self.served[name], level)
        self.waiting[name].append(request)

    def pop(self) -> Request | None:
        tenants = [tenant for tenant, queue in self.waiting.items() if queue]
        if not tenants:
            return None
        self.last = min(tenants, key=self.served.__getitem__)
        return self.waiting[self.last].popleft()

    # --8<-- [end:fair]

    def charge(self, tenant: str, tokens: float) -> None:
        """By price: the prompt at admission, each output token when it is made."""
        self.served[tenant] += tokens


Policy = Fifo | Turns | FairQueue


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
    waits: dict[str, list[tuple[float, float]]]
    """Of each tenant: when it asked, and how long the first token took: `inf` if it never came."""
    service: dict[str, list[tuple[float, float]]]
    """Of each tenant: the time, and the tokens by price until then."""

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


def simulate(
    tenants: Iterable[Tenant],
    policy: Policy,
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

    now, made, in_cache = 0.0, 0, 0  # time, decoding steps until then, tokens cached
    running, decoding = [], Counter()  # by their last steps; of each tenant
    waits, served = defaultdict(list), defaultdict(float)
    service = {name: [(0.0, 0.0)] for name in tenants}

    def charge(name: str, tokens: float) -> None:
        served[name] += tokens
        policy.charge(name, tokens)

    held = None  # chosen by the policy, does not fit into the KV cache yet
    while now < seconds:
        while arrivals and arrivals[0][0] <= now:
            policy.push(heapq.heappop(arrivals)[2])
        admitted = []
        while len(running) < SLOTS and (held := held or policy.pop()):
            if in_cache + held.prompt + held.output > KV_TOKENS:
                break
            in_cache += held.prompt + held.output
            now += held.prompt * PREFILL_S
            charge(held.tenant, W_IN * held.prompt)
            heapq.heappush(running, (made + held.output, next(tie), held))
            decoding[held.tenant] += 1
            admitted.append(held)
            held = None
        next_arrival = arrivals[0][0] if arrivals else inf
        if running:
            step = STEP_S + CACHED_S * in_cache
            for request in admitted:
                waits[request.tenant].append(
                    (request.asked, now + step - request.asked)
                )
            steps = running[0][0] - made
            if next_arrival < now + steps * step:
                steps = max(1, ceil((next_arrival - now) / step))
            now, made = now + steps * step, made + steps
            for name, number in decoding.items():
                charge(name, W_OUT * steps * number)
            while running and running[0][0] == made:
                _, _, request = heapq.heappop(running)
                decoding[request.tenant] -= 1
                in_cache -= request.prompt + request.output
                if tenants[request.tenant].outstanding:
                    arrive(request.tenant, now)
        else:
            now = next_arrival
        for name in tenants:
            service[name].append((now, served[name]))
    unanswered = [request for _, _, request in arrivals]
    while held := held or policy.pop():
        unanswered.append(held)
        held = None
    for request in unanswered:
        waits[request.tenant].append((request.asked, inf))
    return Result(waits, service)
