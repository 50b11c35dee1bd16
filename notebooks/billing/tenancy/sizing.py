"""How many replicas tenants need apart and together, and what a model of their own weighs."""

from math import comb

from transformer_costs import Transformer


def replicas_needed(tenants: int, active: float, short: float) -> int:
    """Fewest replicas that are too few less than `short` of the time.

    Each tenant needs one with chance `active`, whatever the others do.
    """
    enough, p = -1, 0.0
    while p < 1 - short:
        enough += 1
        p += comb(tenants, enough) * active**enough * (1 - active) ** (tenants - enough)
    return enough


def lora_bytes(model: Transformer, rank: int) -> int:
    """An adapter in bf16 on all linear layers: two factors, rank by each side of the matrix."""
    kv_width = model.kv_heads * model.head_width
    attention = 4 * model.width + 2 * (model.width + kv_width)
    feed_forward = 3 * (model.width + model.feed_forward)
    return 2 * rank * model.layers * (attention + feed_forward)
