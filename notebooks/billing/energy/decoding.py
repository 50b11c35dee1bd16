"""The energy of decoding as a law with two parts."""

import json
from pathlib import Path

# What others measured; the file says who, when, and what the meter saw.
MEASURED = json.loads(Path("measured.json").read_text())
RUNS = {name: run["rows"] for name, run in MEASURED["runs"].items()}
GPUS = {name: run["gpus"] for name, run in MEASURED["runs"].items()}


# --8<-- [start:law]
def law(joules: dict[float, float]) -> tuple[float, float]:
    """Joules of a step and joules of a sequence, from the smallest and largest batch."""
    few, many = min(joules), max(joules)
    step = (joules[few] - joules[many]) / (1 / few - 1 / many)
    return step, joules[many] - step / many


def worst_error(joules: dict[float, float]) -> float:
    step, sequence = law(joules)
    return max(abs((step / b + sequence) / joules[b] - 1) for b in joules)


# --8<-- [end:law]
