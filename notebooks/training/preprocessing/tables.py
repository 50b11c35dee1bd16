"""API customers and whether they left. app_id carries nothing; a missing latency does."""

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder

NUMERIC = ["tokens", "latency_ms", "tickets"]
filled = make_pipeline(
    SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
)
basic = [(filled, NUMERIC), (OneHotEncoder(handle_unknown="ignore"), ["plan"])]
scaled = make_column_transformer(*basic)
folds = StratifiedKFold(5, shuffle=True, random_state=0)
encoded = make_column_transformer(*basic, (TargetEncoder(cv=folds), ["app_id"]))


def customers(n: int, rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    z = rng.normal(size=(3, n))
    plan = rng.choice(["free", "pro", "team"], n)
    silent = rng.random(n) < 0.25
    logit = z[1] + 0.7 * z[2] + (plan == "free") + silent - 0.8
    rows = pd.DataFrame(
        {
            "tokens": np.exp(9 + 1.5 * z[0]),
            "latency_ms": np.where(silent, np.nan, 800 * np.exp(0.3 * z[1])),
            "tickets": np.where(rng.random(n) < 0.1, np.nan, np.maximum(3 + z[2], 0)),
            "plan": plan,
            "app_id": rng.integers(200, size=n).astype(str),
        }
    )
    return rows, (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)


def auc(step, on_all: bool, cross_fit: bool, seed: int) -> tuple[float, float]:
    """AUC on the test rows, as reported, and on fresh customers."""
    rng = np.random.default_rng(seed)
    (rows, y), (fresh, y_fresh) = customers(400, rng), customers(1000, rng)
    train, test = train_test_split(
        range(400), test_size=0.3, stratify=y, random_state=seed
    )
    seen = range(400) if on_all else train
    step = clone(step).fit(rows.iloc[seen], y[seen])
    x = step.transform(rows.iloc[train])
    if cross_fit:  # each row encoded without its own label
        x = clone(step).fit_transform(rows.iloc[train], y[train])
    model = make_pipeline(step, LogisticRegression(max_iter=1000).fit(x, y[train]))
    asked = [(rows.iloc[test], y[test]), (fresh, y_fresh)]
    return tuple(
        roc_auc_score(truth, model.predict_proba(q)[:, 1]) for q, truth in asked
    )


def flipped(size: int) -> float:
    """Share of decisions that change when each batch of requests is scaled by itself."""
    (rows, y), (fresh, _) = (
        customers(1024, np.random.default_rng(seed)) for seed in (1, 2)
    )
    pipeline = make_pipeline(clone(filled), LogisticRegression()).fit(rows[NUMERIC], y)
    stream = pipeline[0][0].transform(fresh[NUMERIC])
    batches = [stream[i : i + size] for i in range(0, len(stream), size)]
    refitted = np.concatenate([StandardScaler().fit_transform(b) for b in batches])
    right = pipeline.predict(fresh[NUMERIC])
    return float(np.mean(pipeline[-1].predict(refitted) != right))
