"""The energy of decoding as a law with two parts."""

import json
from pathlib import Path

# What others measured; the file says who, when, and what the meter saw.
MEASURED = json.loads(Path("measured.json").read_text())
RUNS = {name: run["rows"] for name, run in MEASURED["runs"].items()}
GPUS = {name: run["gpus"] for name, run in MEASURED["runs"].items()}

# Qwen3-235B-A22B (Yang et al., Qwen3 Technical Report, 2025, and its config.json).
LAYERS, WIDTH, VOCABULARY = 94, 4096, 151_936
HEADS, KV_HEADS, HEAD_WIDTH = 64, 4, 128
EXPERTS, CHOSEN, EXPERT_WIDTH = 128, 8, 1536

expert_weights = LAYERS * EXPERTS * 3 * WIDTH * EXPERT_WIDTH
shared_weights = (
    LAYERS * WIDTH * HEAD_WIDTH * 2 * (HEADS + KV_HEADS) + VOCABULARY * WIDTH
)


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
