"""The figure of the leaks: one dot per seed, zero where the report was honest."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd


def leak_figure(scores: dict[str, pd.DataFrame]) -> None:
    fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for k, when in enumerate(("before", "after")):
        for row, runs in enumerate(scores.values()):
            gap = runs[f"{when}: reported"] - runs[f"{when}: fresh"]
            height = np.full(len(gap), row + 0.3 * k - 0.15)
            ax.plot(gap, height, "o", alpha=0.5, ms=5, color=f"C{k}")
        ax.plot([], [], "o", color=f"C{k}", label=f"fitted or copied {when} the split")
    ax.axvline(0, lw=1, ls=":")
    ax.set(ylim=(len(scores) - 0.5, -0.5), yticks=range(len(scores)))
    ax.set(yticklabels=scores, xlabel="reported score minus score on fresh data")
    fig.legend(loc="outside upper center", ncols=2)
    plt.show()
