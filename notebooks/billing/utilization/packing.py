"""Replicas onto devices that have memory and a share of computing each: vector bin packing."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from serving import WORKSPACE
from transformer_costs import transformer

LLAMA_3_1_8B, LLAMA_3_1_70B = transformer("llama_3_1_8b"), transformer("llama_3_1_70b")
# GB of weights, workspace and a little KV cache; the last one is assumed as a whole.
MORE = WORKSPACE / 1e9 + 5
SIZES = {
    "70B in 4 bits": 0.5 * LLAMA_3_1_70B.parameters / 1e9 + MORE,
    "8B in 16 bits": 2 * LLAMA_3_1_8B.parameters / 1e9 + MORE,
    "8B in 8 bits": LLAMA_3_1_8B.parameters / 1e9 + MORE,
    "embedding": 4.0,
}


def some_replicas(rng: np.random.Generator, n: int) -> np.ndarray:
    """GB, and the share of a device's time needed at the peak."""
    return np.column_stack(
        [rng.choice(list(SIZES.values()), n), rng.uniform(0.05, 0.45, n)]
    )


def first_fit(items: np.ndarray, capacity: Sequence[float]) -> list[list[int]]:
    """`items` has a row each and a column for each resource; largest share first."""
    devices: list[list[int]] = []
    for i in np.argsort(-(items / capacity).max(axis=1), kind="stable"):
        for device in devices:
            if (items[[*device, i]].sum(axis=0) <= capacity).all():
                device.append(int(i))
                break
        else:
            devices.append([int(i)])
    return devices


def three_ways(replicas: np.ndarray, gb: float, busy: float) -> dict[str, int]:
    """Devices when packed by memory alone, and by both with and without a proof."""
    by_memory = first_fit(replicas[:, :1], [gb])
    by_both = first_fit(replicas, [gb, busy])
    return {
        "by memory": len(by_memory),
        "of them overloaded": sum(replicas[d, 1].sum() > busy for d in by_memory),
        "by both": len(by_both),
        "fewest": fewest(replicas, [gb, busy], at_most=len(by_both)),
    }


def fewest(items: np.ndarray, capacity: Sequence[float], at_most: int) -> int:
    """Proved by branch and bound; there is a packing into `at_most` devices."""
    n, m = len(items), at_most
    x = np.arange(n * m).reshape(n, m)  # item i on device j; then: device j is used
    rows, low, high = [], [], []
    for i in range(n):  # each item once
        row = np.zeros(n * m + m)
        row[x[i]] = 1
        rows.append(row), low.append(1), high.append(1)
    for j in range(m):
        for resource, limit in enumerate(capacity):
            row = np.zeros(n * m + m)
            row[x[:, j]], row[n * m + j] = items[:, resource], -limit
            rows.append(row), low.append(-np.inf), high.append(1e-9)
    for j in range(m - 1):  # devices are alike: use the first ones
        row = np.zeros(n * m + m)
        row[n * m + j : n * m + j + 2] = -1, 1
        rows.append(row), low.append(-np.inf), high.append(0)
    found = milp(
        np.concatenate([np.zeros(n * m), np.ones(m)]),
        integrality=np.ones(n * m + m),
        bounds=Bounds(0, 1),
        constraints=LinearConstraint(np.array(rows), low, high),
    )
    if not found.success:
        raise ArithmeticError(found.message)
    return round(found.fun)
