"""The two figures of the page."""

import matplotlib.pyplot as plt
import pandas as pd


def curves(runs: dict) -> None:
    """Mean loss by epoch, with the range over the seeds."""
    _, axes = plt.subplots(
        1, len(runs), figsize=(7, 3.5), sharey=True, layout="constrained"
    )
    for ax, (title, lines) in zip(axes, runs.items()):
        for label, losses in zip(["training", "validation"], lines):
            (line,) = ax.plot(losses.mean(1), label=label)
            low, high = losses.amin(1), losses.amax(1)
            ax.fill_between(
                range(len(low)), low, high, alpha=0.2, color=line.get_color()
            )
        ax.set(title=title, xlabel="epoch")
    axes[0].set_ylabel("loss (nats per token)")
    axes[0].legend()


def forecasts(runs: pd.DataFrame) -> None:
    """Extra loss against epochs: measured as points, forecast as lines."""
    _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    for size, run in runs.groupby("parameters"):
        (line,) = ax.plot(
            run["epochs"], run["forecast"], label=f"{size:.1f}B, forecast"
        )
        ax.plot(
            run["epochs"],
            run["measured"],
            "o",
            color=line.get_color(),
            label="measured",
        )
    ax.set(
        xscale="log", yscale="log", xlabel="epoch", ylabel="extra loss (nats per token)"
    )
    ticks = [2, 4, 8, 16, 44]
    ax.set_xticks(ticks, ticks)
    ax.minorticks_off()
    ax.legend(fontsize="small")
