"""The two figures of the page."""

import matplotlib.pyplot as plt
import numpy as np


def two_panels():
    _, axes = plt.subplots(1, 2, figsize=(7, 3.5), sharey=True, layout="constrained")
    axes[0].set_ylabel("loss (nats per image)")
    return axes


def curves(runs: dict, epochs: np.ndarray, floor: float) -> None:
    """Mean loss over training, with the range over the seeds."""
    axes = two_panels()
    for ax, (title, run) in zip(axes, runs.items()):
        for label, losses in run.items():
            (line,) = ax.plot(epochs, losses.mean(1), label=label)
            low, high = losses.min(1), losses.max(1)
            ax.fill_between(epochs, low, high, alpha=0.2, color=line.get_color())
        ax.axhline(floor, linestyle=":", color="gray", label="best possible")
        ax.set(title=title, xlabel="epoch", ylim=(0, 2.6))
    axes[0].legend()


def sweeps(sweeps: dict, floor: float) -> None:
    """Final training loss, and test loss at the final and at the best checkpoint."""
    axes = two_panels()
    for ax, (label, runs) in zip(axes, sweeps.items()):
        lines = {
            "train, last checkpoint": [run.last.train.mean() for run in runs.values()],
            "test, last checkpoint": [run.last.test.mean() for run in runs.values()],
            "test, best checkpoint": [run.best.test.mean() for run in runs.values()],
        }
        for name, losses in lines.items():
            ax.plot(losses, "--" if "best" in name else "-", marker="o", label=name)
        ax.axhline(floor, linestyle=":", color="gray")
        ax.set(xlabel=label, xticks=np.arange(len(runs)), xticklabels=list(runs))
    axes[0].legend(fontsize="small")
