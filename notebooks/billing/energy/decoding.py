"""The energy of decoding as a law with two parts."""

import json
from pathlib import Path

from transformer_costs import transformer

# What others measured; the file says who, when, and what the meter saw.
MEASURED = json.loads(Path("measured.json").read_text())
RUNS = {name: run["rows"] for name, run in MEASURED["runs"].items()}
GPUS = {name: run["gpus"] for name, run in MEASURED["runs"].items()}

MOE = transformer("qwen3_235b_a22b")
EXPERTS, CHOSEN = MOE.experts, MOE.active_experts
expert_weights = MOE.layers * EXPERTS * 3 * MOE.width * MOE.expert_width
shared_weights = MOE.layers * MOE.attention_weights + MOE.embedding_parameters


# --8<-- [start:law]
def touched(batch: float) -> float:
    """The share of experts that a step reads, if routing is even."""
    return 1 - (1 - CHOSEN / EXPERTS) ** batch


def moe_read(batch: float) -> float:
    """Billions of weights that a step of Qwen3-235B-A22B reads."""
    return (shared_weights + touched(batch) * expert_weights) / 1e9


def law(joules: dict[float, float], read=lambda batch: 1.0) -> tuple[float, float]:
    """Joules for each unit read in a step, and joules a sequence.

    The smallest and the largest batch set both: a step reads the weights once, however
    many sequences share it; each sequence adds its own arithmetic and its own KV cache.
    """
    few, many = min(joules), max(joules)
    unit = (joules[few] - joules[many]) / (read(few) / few - read(many) / many)
    return unit, joules[many] - unit * read(many) / many


def worst_error(joules: dict[float, float], read=lambda batch: 1.0) -> float:
    unit, sequence = law(joules, read)
    return max(abs((unit * read(b) / b + sequence) / joules[b] - 1) for b in joules)


# --8<-- [end:law]
