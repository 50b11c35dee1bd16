"""Notebooks of the benchmark's own: light ones with real work and an assertion each."""

from __future__ import annotations

from pathlib import Path

from qa.run import notebook as notebooks

NUMPY = """\
# %% name="work"
import numpy as np

random = np.random.default_rng({seed})
tops = [np.linalg.svd(random.normal(size=(120, 120)))[1][0] for _ in range({work})]

# %% name="check"
assert 19 < np.mean(tops) < 24
print("largest singular value", np.mean(tops).round(2))
"""
PANDAS = """\
# %% name="work"
import numpy as np
import pandas as pd

random = np.random.default_rng({seed})
frame = pd.DataFrame(random.normal(size=(10_000 * {work}, 2)), columns=["x", "y"])
groups = frame.groupby(frame.x.round(1)).y.agg(["count", "mean", "median", "std"])

# %% name="check"
assert groups["count"].sum() == len(frame)
groups.head(3).round(2)
"""
FIGURE = """\
# %% name="figure"
import matplotlib.pyplot as plt
import numpy as np

walks = np.random.default_rng({seed}).normal(size=(30 * {work}, 1000)).cumsum(axis=1)
assert walks.shape == (30 * {work}, 1000)
plt.plot(walks[:8].T)
plt.show()
"""
TORCH = """\
# %% name="work"
import torch

torch.manual_seed({seed})
x = torch.randn(512, 16)
weights = torch.zeros(16, requires_grad=True)
for _ in range(10 * {work}):
    loss = (x @ (weights - 1)).square().mean()
    weights.data -= 0.1 * torch.autograd.grad(loss, weights)[0]
assert loss < 0.1
"""
MIX = (NUMPY, PANDAS, NUMPY, FIGURE, PANDAS, NUMPY, TORCH, PANDAS, NUMPY, PANDAS)
"""Ten in a row; of a hundred, ten draw a figure and ten use PyTorch."""


def write(root: Path, count: int) -> None:
    """`count` notebooks with their pairs in `root`/notebooks; each needs 0.05 to 0.5 s of work."""
    folder = root / "notebooks" / "generated"
    folder.mkdir(parents=True)
    for number in range(count):
        path = folder / f"n{number:03}.py"
        work = 40 + 37 * number % 160
        path.write_text(MIX[number % len(MIX)].format(seed=number, work=work), encoding="utf-8")
        notebooks.write_pair(notebooks.read(path))
