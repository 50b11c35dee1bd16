"""A guard in front of a model: synthetic requests, two classifiers, metrics and costs."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.calibration import calibration_curve
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression


def requests(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Most abuse is faint in sixty features, some is a blatant combination of two."""
    x = rng.normal(size=(n, 62))
    blatant = (x[:, 0] > 1.3) & (x[:, 1] > 1.3)
    faint = x[:, 2:].sum(axis=1) / 60**0.5
    return x, rng.random(n) < expit(-5 + 1.8 * faint + 6 * blatant)


def scored(train: tuple, *others: tuple) -> list[dict[str, np.ndarray]]:
    """The probability of abuse that each model gives the requests of each set."""
    models = {
        "logistic": LogisticRegression().fit(*train),
        "trees": HistGradientBoostingClassifier(random_state=0).fit(*train),
    }
    return [{m: models[m].predict_proba(x)[:, 1] for m in models} for x, _ in others]


def metrics(y: np.ndarray, score: np.ndarray, weights: np.ndarray) -> dict:
    """Each metric under each row of weights."""
    order = np.argsort(-score)  # from the highest score down
    ordered = weights[:, order]
    hits = (ordered * y[order]).cumsum(axis=1)
    misses = (ordered * ~y[order]).cumsum(axis=1)
    found = ordered * y[order] / hits[:, -1:]
    likelihood = np.where(y, score, 1 - score)
    return {
        "accuracy": weights @ ((score >= 0.5) == y) / len(y),
        "ROC AUC": (found * (1 - misses / misses[:, -1:])).sum(axis=1),
        "PR AUC": (found * hits / np.maximum(hits + misses, 1)).sum(axis=1),
        "log loss": -(weights @ np.log(likelihood)) / len(y),
    }


def compared(y: np.ndarray, scores: dict, resampled: np.ndarray) -> pd.DataFrame:
    """Each metric of both models, and the 95% interval of the difference, paired."""
    weights = np.vstack([np.ones(len(y)), resampled])  # row 0: the test set as it is
    of_logistic, of_trees = (metrics(y, score, weights) for score in scores.values())
    rows = {}
    for metric, values in of_trees.items():
        gains = (values - of_logistic[metric])[1:]
        low, high = np.quantile(gains, (0.025, 0.975))
        assert ((gains >= low) & (gains <= high)).mean() >= 0.95
        rows[metric] = of_logistic[metric][0], values[0], low, high
    return pd.DataFrame(rows, index=[*scores, "difference from", "to"]).T


def draw_calibration(y: np.ndarray, scores: dict[str, np.ndarray]) -> list[np.ndarray]:
    """Observed share over predicted probability by score, without the lowest and highest."""
    _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
    off = []
    for (name, score), marker in zip(scores.items(), "os"):
        observed, predicted = calibration_curve(y, score, n_bins=8, strategy="quantile")
        off.append(observed[1:7] / predicted[1:7])
        ax.plot(predicted, observed, marker=marker, label=name)
    ax.plot([5e-4, 1], [5e-4, 1], ":", color="tab:gray", label="calibrated")
    ax.set(xscale="log", yscale="log")
    ax.set(
        xlabel="mean predicted probability of abuse", ylabel="observed share of abuse"
    )
    ax.legend()
    return off


# --8<-- [start:cost]
def cost(truth: np.ndarray, reviewed: np.ndarray, miss: float) -> np.ndarray:
    """Per thousand requests; reviewing a harmless one costs 1."""
    return 1000 * (miss * (truth & ~reviewed) + (~truth & reviewed))


def cheapest(truth: np.ndarray, score: np.ndarray, miss: float) -> float:
    """The threshold with the lowest cost."""
    candidates = np.quantile(score, np.linspace(0, 1, 250))
    return min(candidates, key=lambda t: cost(truth, score >= t, miss).mean())


# --8<-- [end:cost]
