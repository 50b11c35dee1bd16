"""How long a step of continuous batching takes, how many sequences fit, and what a token then costs."""

from dataclasses import dataclass

import numpy as np
from devices import Device
from transformer_costs import Transformer

WIRE = 0.5  # of a link's peak that all-reduces of activations attain (assumed)
USABLE = 0.92  # of the memory: the rest is activations, graphs and fragments (assumed)


@dataclass(frozen=True)
class Work:
    prompt: int
    output: int
    seconds_a_token: float = float("inf")
    """The latency target: a step may take no longer."""


# --8<-- [start:step]
def step(model: Transformer, device: Device, count, batch, work: Work, compute, memory):
    """Seconds of a step of `batch` sequences on `count` devices, and of its prompts.

    In a step all sequences decode a token, and prompts join at the rate at which
    answers end. `compute` and `memory` are the attained shares of the peaks.
    """
    rate = count * device.ops * compute
    reading = count * device.sheet.bandwidth * memory
    joining = batch * work.prompt / work.output
    dense = 2 * (model.active_parameters - model.embedding_parameters)
    head = 2 * model.embedding_parameters

    attention = 2 * model.layers * model.width * work.prompt  # causal: half the square
    prompts = ((dense + attention) * joining + head * batch / work.output) / rate
    decode = (dense + head) * batch / rate
    weights = model.parameters * device.value_bytes / reading
    context = work.prompt + work.output / 2
    cache = batch * context * model.kv_bytes(device.cache_bytes) / reading
    # Two all-reduces a layer, of two bytes a value, each sent 2 (n - 1) / n times.
    sent = 2 * model.layers * 2 * model.width * 2 * (count - 1) / count
    exchange = sent * (batch + joining) / (device.link * WIRE)

    # Matrices are read while they are multiplied, the cache is read afterwards.
    seconds = np.maximum(prompts + decode, weights) + cache + exchange
    return seconds, prompts + exchange * joining / (batch + joining)


# --8<-- [end:step]


def batch_limit(model: Transformer, device: Device, count: int, work: Work) -> float:
    """Sequences whose whole cache fits beside the weights."""
    free = count * device.sheet.memory * USABLE - model.parameters * device.value_bytes
    return free / (model.kv_bytes(device.cache_bytes) * (work.prompt + work.output))


def best(model, device, work, compute, memory, software=1.0, most=np.inf):
    """(Tokens a second a device, number of devices, batch) of the best replica within the target.

    `software` scales the model's speed to what was measured; `most` is the traffic there is.
    """
    found = (0.0, 0, 0.0)
    for count in (1,) if device.precision == "INT8" else (1, 2, 4, 8):
        limit = min(batch_limit(model, device, count, work), most)
        if limit < 1:
            continue
        batch = np.geomspace(1, limit, 200)
        seconds = step(model, device, count, batch, work, compute, memory)[0] / software
        allowed = seconds <= work.seconds_a_token
        if allowed.any():
            speed = np.where(allowed, batch / seconds / count, 0)
            at = int(speed.argmax())
            found = max(found, (float(speed[at]), count, float(batch[at])))
    return found
