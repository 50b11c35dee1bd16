"""Data whose truth is known: customers with useless columns, near-identical digits, questions hidden in text."""

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import TargetEncoder

NUMERIC = ["tokens", "latency_ms", "tickets"]
PROBES = [f"probe_{i}" for i in range(300)]


def target_encoder() -> TargetEncoder:
    return TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))


class PlainTargetEncoder(TargetEncoder):
    """Each training row encoded with a mean that holds its own label."""

    def fit_transform(self, X, y):
        return self.fit(X, y).transform(X)


def customers(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """API customers and whether they left. app_id and the probes carry nothing; a missing latency does."""
    z = rng.normal(size=(3, n))
    plan = rng.choice(["free", "pro", "team"], n)
    silent = rng.random(n) < 0.25
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
    """Latency (ms), load that goes with it and tokens that do not; the same with holes; where they are."""
    n = len(tokens)
    load = rng.normal(size=n)
    hidden = rng.random(n) < 0.2
    share = 0.5 + 0.1 * load + rng.normal(0, 0.03, n)
    truth = np.column_stack([800 + 250 * load, share, tokens])
    holes = truth.copy()
    holes[hidden, 0] = np.nan
    return truth, holes, hidden


def copies_before_and_after(seed: int) -> dict[str, float]:
    """Accuracy on the test set and on fresh digits, with noisy copies made before, then after the split."""
    images, y = load_digits(return_X_y=True)
    rng = np.random.default_rng(seed)
    mine, fresh = np.split(rng.permutation(len(y)), [100])
    near = KNeighborsClassifier(1)

    def augmented(index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        five_times = np.tile(index, 5)
        noise = rng.normal(0, 2, (len(five_times), 64))
        return images[five_times] + noise, y[five_times]

    score = {}
    x_train, x_test, y_train, y_test = train_test_split(
        *augmented(mine), test_size=0.3, random_state=seed
    )
    near.fit(x_train, y_train)
    score["before: reported"] = near.score(x_test, y_test)
    score["before: fresh"] = near.score(images[fresh], y[fresh])

    train, test = np.split(mine, [70])
    near.fit(*augmented(train))
    score["after: reported"] = near.score(images[test], y[test])
    score["after: fresh"] = near.score(images[fresh], y[fresh])
    return score


def hidden_questions(
    rng: np.random.Generator,
) -> tuple[list[str], dict[str, list[tuple[str, str]]]]:
    """Clean documents, and (question, document that holds it) by the way the question was rewritten."""

    def words(n: int) -> list[str]:
        return [f"w{i}" for i in rng.integers(5000, size=n)]

    def full_width(word: str) -> str:
        return "".join(chr(ord(c) + 0xFEE0) for c in word.upper())

    def reformatted(text: str) -> str:
        return "  ".join(full_width(word) for word in text.split())

    def reworded(text: str) -> str:
        kept = text.split()
        kept[5::6] = words(len(kept[5::6]))
        return " ".join(kept)

    def inside(text: str) -> str:
        return " ".join([*words(40), text, *words(40)])

    asked = [" ".join(words(30)) for _ in range(150)]
    han = ["".join(map(chr, rng.integers(0x4E00, 0x9000, 40))) for _ in range(50)]
    hidden = {
        "verbatim": [(q, inside(q)) for q in asked[:50]],
        "reformatted": [(q, inside(reformatted(q))) for q in asked[50:100]],
        "Chinese, verbatim": [(q, inside("前文" + q + "后文")) for q in han],
        "every sixth word changed": [(q, inside(reworded(q))) for q in asked[100:]],
    }
    return [" ".join(words(110)) for _ in range(2000)], hidden
