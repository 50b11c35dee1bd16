"""A serving engine whose steps take roofline time, and the requests that queue for it."""

import heapq
import itertools
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from facts import fact
from transformer_costs import Accelerator, Transformer, transformer

# Shares of the data sheet's peaks that good kernels are assumed to reach.
OF_BANDWIDTH, OF_FLOPS = 0.7, 0.5
CHUNK = 2_048  # prompt tokens a step takes in before it admits no more
SLOTS = 256  # sequences at once: --max-num-seqs
# Bytes that CUDA reports of an H100 of 80 GB; an A100 of 80 GB is taken to have as many.
REPORTED = fact("cuda_memory.h100_gib") * 2**30
WORKSPACE = 3e9  # bytes of each engine beside weights and KV cache: assumed
BLOCK = fact("vllm_defaults.block_size_tokens")


@dataclass(frozen=True)
class Engine:
    """What one step reads and computes, and how fast."""

    shared_bytes: float
    """Read once a step, whatever runs."""
    model_bytes: float
    """Read once a step for each distinct model that runs."""
    kv_bytes: float
    token_flops: float
    bandwidth: float
    flops: float
    expert_bytes: float = 0
    """Of all experts; a step reads those that some token is sent to."""
    idle_share: float = 1
    """Of the experts, what one token leaves unread."""

    # --8<-- [start:seconds]
    def seconds(self, computed: int, held: int, models: int = 1) -> float:
        """Of a step that computes `computed` tokens and reads the KV cache of `held`."""
        experts = self.expert_bytes * (1 - self.idle_share**computed)
        weights = self.shared_bytes + models * self.model_bytes + experts
        read = (weights + held * self.kv_bytes) / self.bandwidth
        return max(read, computed * self.token_flops / self.flops)

    # --8<-- [end:seconds]


def dense(
    model: Transformer,
    device: Accelerator,
    own: float = 0,
    base: float = 1,
    part: float = 1,
) -> Engine:
    """In 16 bits: `base` copies of the weights read by all, `own` more for each distinct model;
    `part` of the device's bandwidth and computing."""
    weights = 2 * model.parameters
    return Engine(
        base * weights,
        own * weights,
        model.kv_bytes(),
        model.forward_flops(1_000),
        part * OF_BANDWIDTH * device.bandwidth,
        part * OF_FLOPS * device.bf16_flops,
    )


# As released in FP8.
MOE = transformer("qwen3_30b_a3b")
MOE_PARAMETERS = 1e9 * fact("qwen3_30b_a3b.published_b")
MOE_ACTIVE = 1e9 * fact("qwen3_30b_a3b.published_active_b")
MOE_KV_BYTES = int(MOE.kv_bytes())
MOE_EXPERTS = MOE.layers * MOE.experts * 3 * MOE.width * MOE.expert_width


def mixture(device: Accelerator) -> Engine:
    """Routing is taken to be uniform; the KV cache and the arithmetic are in 16 bits."""
    return Engine(
        MOE_PARAMETERS - MOE_EXPERTS,
        0,
        MOE_KV_BYTES,
        2 * MOE_ACTIVE + 4 * MOE.layers * MOE.heads * MOE.head_width * 1_000,
        OF_BANDWIDTH * device.bandwidth,
        OF_FLOPS * device.bf16_flops,
        MOE_EXPERTS,
        1 - MOE.active_experts / MOE.experts,
    )


def adapter_share(model: Transformer, rank: int) -> float:
    """Of the weights, what LoRA adds in all linear layers."""
    kv_width = model.kv_heads * model.head_width
    ends = [(model.width, model.width)] * 2 + [(model.width, kv_width)] * 2
    ends += [(model.width, model.feed_forward)] * 3
    return model.layers * rank * sum(map(sum, ends)) / model.parameters


def kv_tokens(weights: float, token_bytes: float, share: float) -> int:
    """Of an engine: its share of the memory, less weights and workspace, in whole blocks."""
    free = share * REPORTED - WORKSPACE - weights
    return int(free // (BLOCK * token_bytes)) * BLOCK


@dataclass(slots=True, eq=False)
class Request:
    arrival: float
    prompt: int
    output: int
    model: int = 0
    cached: int = 0
    """Of the prompt, tokens whose KV cache is there already."""
    first: float = float("nan")
    done: float = float("nan")

    # --8<-- [start:on-time]
    def on_time(self, first: float, token: float) -> bool:
        """Within `first` seconds to its first token, and `token` a token after it, on average."""
        gap = (self.done - self.first) / (self.output - 1)
        return self.first - self.arrival <= first and gap <= token

    # --8<-- [end:on-time]


# --8<-- [start:step]
class Replica:
    """Continuous batching: between two steps, requests join and leave."""

    def __init__(
        self, engine: Engine, kv_limit: int, slots: int = SLOTS, apart: bool = False
    ) -> None:
        """`kv_limit` holds for all together, or for each model where they are kept `apart`."""
        self.engine, self.kv_limit = engine, kv_limit
        self.slots, self.apart = slots, apart
        self.waiting: deque[Request] = deque()
        self.backlog: deque[Request] = deque()  # batch work, still at the gateway
        self.released: deque[Request] = deque()  # batch work that has come in
        self.release_to, self.priority = 0, True
        self.leaving: dict[int, list[Request]] = defaultdict(list)  # by step
        self.models: Counter[int] = Counter()
        self.clock = self.busy = 0.0
        self.steps = self.running = self.held = 0
        self.reserved: Counter[int] = Counter()

    def advance(self, until: float) -> None:
        while self.clock < until:
            joined, prompt = self._admit()
            if not self.running:
                break
            computed = self.running - len(joined) + prompt
            seconds = self.engine.seconds(computed, self.held, len(self.models))
            self.clock += seconds
            self.busy += seconds
            self.steps += 1
            self.held += self.running
            for request in joined:
                request.first = self.clock
            for request in self.leaving.pop(self.steps, ()):
                self._leave(request)
        if until < float("inf"):
            self.clock = max(self.clock, until)  # nothing to do until then

    # --8<-- [end:step]

    @property
    def outstanding(self) -> int:
        return self.running + len(self.waiting) + len(self.released)

    # --8<-- [start:admit]
    def _admit(self) -> tuple[list[Request], int]:
        while self.backlog and self.outstanding < self.release_to:  # the gateway
            into = self.released if self.priority else self.waiting
            into.append(self.backlog.popleft())
        joined: list[Request] = []
        prompt = 0  # the engine: who runs is never displaced
        while (queue := self.waiting or self.released) and prompt < CHUNK:
            if not self._fits(queue[0]):
                break
            prompt += self._join(queue.popleft(), joined)
        return joined, prompt

    # --8<-- [end:admit]

    def _fits(self, request: Request) -> bool:
        needed = request.prompt + request.output + self.reserved[self._cache(request)]
        return needed <= self.kv_limit and self.running < self.slots

    def _cache(self, request: Request) -> int:
        return request.model if self.apart else 0

    def _join(self, request: Request, joined: list[Request]) -> int:
        joined.append(request)
        self.leaving[self.steps + request.output].append(request)
        self.models[request.model] += 1
        self.running += 1
        self.held += request.prompt
        self.reserved[self._cache(request)] += request.prompt + request.output
        return request.prompt - request.cached

    def _leave(self, request: Request) -> None:
        request.done = self.clock
        self.models[request.model] -= 1
        if not self.models[request.model]:
            del self.models[request.model]
        self.running -= 1
        self.held -= request.prompt + request.output
        self.reserved[self._cache(request)] -= request.prompt + request.output


def serve(
    replicas: Sequence[Replica],
    requests: Iterable[Request],
    route: Callable[[Sequence[Replica], Request], Replica],
) -> None:
    for request in requests:
        for replica in replicas:
            replica.advance(request.arrival)
        route(replicas, request).waiting.append(request)
    for replica in replicas:
        replica.backlog.clear()
        replica.released.clear()
        replica.advance(float("inf"))


def least_outstanding(replicas: Sequence[Replica], request: Request) -> Replica:
    return min(replicas, key=lambda replica: replica.outstanding)


def weighted_round_robin(weights: Sequence[int]) -> Callable[..., Replica]:
    """Smooth: of weights 3 and 1, the turns are 0, 0, 1, 0."""
    turns = [((k + 0.5) / w, i) for i, w in enumerate(weights) for k in range(w)]
    order = itertools.cycle([i for _, i in sorted(turns)])
    return lambda replicas, request: replicas[next(order)]


def weighted_least(speed: Mapping[Replica, int]) -> Callable[..., Replica]:
    return lambda replicas, request: min(
        replicas, key=lambda replica: (replica.outstanding + 1) / speed[replica]
    )


# The conversation service of Azure's published trace of 2023: quantiles of tokens.
QUANTILES = [0, 0.05, 0.25, 0.50, 0.75, 0.90, 0.95, 0.99, 1]
PROMPT = [2, 181, 396, 1020, 1189, 2734, 4083, 4142, 14_050]
OUTPUT = [7, 41, 85, 129, 395, 424, 451, 601, 1000]


def poisson(
    rng: np.random.Generator,
    rate: float,
    seconds: float,
    shape: Callable[[np.ndarray], np.ndarray] = np.ones_like,
) -> list[float]:
    """Arrivals at `rate` at most; `shape`, from 0 to 1, says how much of it at a time."""
    times = np.sort(rng.random(rng.poisson(rate * seconds)) * seconds)
    return times[rng.random(len(times)) < shape(times / seconds)].tolist()


def bursty(
    rng: np.random.Generator,
    quiet: float,
    more: float,
    seconds: float,
    burst: float,
    starts: Iterable[float],
) -> list[float]:
    """`quiet` requests a second, and `more` during the `burst` seconds after each start."""
    bursts = [[start + t for t in poisson(rng, more, burst)] for start in starts]
    return sorted(itertools.chain(poisson(rng, quiet, seconds), *bursts))


def draw(rng: np.random.Generator, arrivals: Sequence[float], **kind) -> list[Request]:
    """Requests at `arrivals`, with the lengths of the trace."""
    prompts = np.interp(rng.random(len(arrivals)), QUANTILES, PROMPT).astype(int)
    outputs = np.interp(rng.random(len(arrivals)), QUANTILES, OUTPUT).astype(int)
    lengths = zip(arrivals, prompts.tolist(), outputs.tolist())
    return [Request(*request, **kind) for request in lengths]


def merge(*streams: Iterable[Request]) -> list[Request]:
    return list(heapq.merge(*streams, key=lambda request: request.arrival))


def p95_first(requests: Iterable[Request]) -> float:
    """Seconds to the first token that 95 of 100 requests do not exceed."""
    return float(np.percentile([r.first - r.arrival for r in requests], 95))


def p95_gap(requests: Iterable[Request]) -> float:
    """Mean milliseconds between tokens of a request, likewise."""
    gaps = [(r.done - r.first) / (r.output - 1) for r in requests]
    return 1e3 * float(np.percentile(gaps, 95))
