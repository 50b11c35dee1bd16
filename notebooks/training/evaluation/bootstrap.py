"""Metrics of one classifier on many bootstrap resamples at once, and the table of them."""

import numpy as np
import pandas as pd


def resamples(rng: np.random.Generator, size: int, times: int) -> np.ndarray:
    """How often each sample occurs: row 0 the set as it is, then one row a resample."""
    drawn = rng.multinomial(size, np.full(size, 1 / size), size=times)
    return np.vstack([np.ones(size), drawn])


def interval(values: np.ndarray) -> np.ndarray:
    """The 95% percentile interval; values[0] is the point estimate, not a resample."""
    return np.quantile(values[1:], (0.025, 0.975))


def metrics(
    y: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> dict[str, np.ndarray]:
    """Each metric under each row of weights; where a label is needed, threshold 0.5."""
    flagged = score >= 0.5
    hits = weights @ (flagged & (y == 1))
    flags = weights @ flagged
    positives = weights @ y
    negatives = weights @ (1 - y)

    # from the highest score down
    order = np.argsort(-score)
    ordered = weights[:, order]
    ordered_hits = ordered * y[order]
    hits_so_far = ordered_hits.cumsum(axis=1)
    precision_so_far = hits_so_far / np.maximum(ordered.cumsum(axis=1), 1)
    # pairs of a positive and a negative below it
    ranked_right = (hits_so_far * (ordered - ordered_hits)).sum(axis=1)

    size = weights.sum(axis=1)
    likelihood = np.where(y == 1, score, 1 - score)
    return {
        "accuracy": weights @ (flagged == y) / size,
        "precision": hits / flags,
        "recall": hits / positives,
        "F1": 2 * hits / (flags + positives),
        "ROC AUC": ranked_right / (positives * negatives),
        "PR AUC": (precision_so_far * ordered_hits).sum(axis=1) / positives,
        "log loss": -(weights @ np.log(likelihood)) / size,
    }


def metric_table(scores: dict[str, dict[str, np.ndarray]]) -> pd.DataFrame:
    """Rows: metrics; columns: point estimate and interval of each model, and the best."""
    points, cells = pd.DataFrame(), pd.DataFrame()
    for model, row in scores.items():
        points[model] = {metric: values[0] for metric, values in row.items()}
        cells[model] = {
            metric: "{:.3f} [{:.3f}, {:.3f}]".format(values[0], *interval(values))
            for metric, values in row.items()
        }
    cells["best"] = points.idxmax(axis=1)
    # log loss is the one metric of which less is better
    cells.loc["log loss", "best"] = points.loc["log loss"].idxmin()
    return cells
