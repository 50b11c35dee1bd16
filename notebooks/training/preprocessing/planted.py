"""Data whose truth is known: customers with useless columns, near-identical digits, questions hidden in text."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import TargetEncoder

NUMERIC = ["tokens", "latency_ms", "tickets"]
PROBES = [f"probe_{i}" for i in range(300)]


class PlainTargetEncoder(TargetEncoder):
    """Each training row encoded with a mean that holds its own label."""

    def fit_transform(self, X, y):
        return self.fit(X, y).transform(X)


def customers(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """API customers and whether they left. app_id and the probes carry nothing; a missing latency does."""
    z, plan, silent = (
        rng.normal(size=(3, n)),
        rng.choice(["free", "pro", "team"], n),
        rng.random(n) < 0.25,
    )
    logit = z[1] + 0.7 * z[2] + (plan == "free") + silent - 0.8
    rows = pd.DataFrame(rng.normal(size=(n, len(PROBES))), columns=PROBES).assign(
        tokens=np.exp(9 + 1.5 * z[0]),
        latency_ms=np.where(silent, np.nan, 800 * np.exp(0.3 * z[1])),
        tickets=np.where(rng.random(n) < 0.1, np.nan, np.maximum(3 + z[2], 0)),
        plan=plan,
        app_id=rng.integers(200, size=n).astype(str),
    )
    return rows, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


def latencies_with_holes(
    tokens: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Latency (ms), load (share) that goes with it, tokens that do not; the same with a fifth of latencies missing."""
    load, hidden = rng.normal(size=len(tokens)), rng.random(len(tokens)) < 0.2
    truth = np.c_[
        800 + 250 * load, 0.5 + 0.1 * load + rng.normal(0, 0.03, len(tokens)), tokens
    ]
    holes = truth.copy()
    holes[hidden, 0] = np.nan
    return truth, holes, hidden


def copies_before_and_after(seed: int) -> list[float]:
    """Accuracy on the test set and on fresh digits, with noisy copies made before, then after the split."""
    images, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    mine, fresh = np.split(rng.permutation(len(y)), [100])
    near = KNeighborsClassifier(1)

    def augmented(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return images[np.tile(index, 5)] + rng.normal(0, 2, (5 * len(index), 64)), y[
            np.tile(index, 5)
        ]

    copies, labels = augmented(mine)
    train, test = train_test_split(
        np.arange(len(labels)), test_size=0.3, random_state=seed
    )
    near.fit(copies[train], labels[train])
    leaky = near.score(copies[test], labels[test]), near.score(images[fresh], y[fresh])
    near.fit(*augmented(mine[:70]))
    return [
        *leaky,
        near.score(images[mine[70:]], y[mine[70:]]),
        near.score(images[fresh], y[fresh]),
    ]


def hidden_questions(
    rng: np.random.Generator,
) -> tuple[list[str], dict[str, list[tuple[str, str]]]]:
    """Clean documents, and (question, document that holds it) by the way the question was rewritten."""

    def words(n: int) -> list[str]:
        return [f"w{i}" for i in rng.integers(5000, size=n)]

    def wide(text: str) -> str:  # capitals, full-width forms, double spaces
        return "  ".join(
            "".join(chr(ord(c) + 0xFEE0) for c in w.upper()) for w in text.split()
        )

    def reworded(text: str) -> str:
        return " ".join(
            words(1)[0] if i % 6 == 5 else w for i, w in enumerate(text.split())
        )

    def inside(text: str) -> str:
        return " ".join([*words(40), text, *words(40)])

    asked = [" ".join(words(30)) for _ in range(150)]
    han = ["".join(map(chr, rng.integers(0x4E00, 0x9000, 40))) for _ in range(50)]
    hidden = {
        "verbatim": [(q, inside(q)) for q in asked[:50]],
        "reformatted": [(q, inside(wide(q))) for q in asked[50:100]],
        "Chinese, verbatim": [(q, inside("前文" + q + "后文")) for q in han],
        "every sixth word changed": [(q, inside(reworded(q))) for q in asked[100:]],
    }
    return [" ".join(words(110)) for _ in range(2000)], hidden
