# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何做有效的数据预处理？ · What does effective data preprocessing look like?
#
# 用多个随机种子测量“先拟合、后切分”的泄漏，检查填补与缩放的次序、线上未知类别与重新加载，再做对话样本的损失掩码、打包与评测集污染检查。
#
# Leaks from fitting before the split, measured over many seeds; order of imputing and scaling, unknown categories and reloading; then loss masks, packing and contamination checks for chat data.

# %% name="steps"
import json
import subprocess
import sys

import chat
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import planted
import torch
from overlap import ngrams, normalised
from planted import customers
from sklearn import preprocessing
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, train_test_split
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler, TargetEncoder
from sklearn.tree import DecisionTreeClassifier

numbers = make_pipeline(
    SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
)
basic = [(numbers, planted.NUMERIC), (OneHotEncoder(handle_unknown="ignore"), ["plan"])]
by_target = TargetEncoder(cv=StratifiedKFold(5, shuffle=True, random_state=0))
steps = {
    "impute, scale, one-hot": make_column_transformer(*basic),
    "and encode app_id by target": make_column_transformer(
        *basic, (by_target, ["app_id"])
    ),
    "the same, not cross-fitted": make_column_transformer(
        *basic, (planted.PlainTargetEncoder(), ["app_id"])
    ),
    "and select 15 of 300 probes": make_column_transformer(
        *basic, (SelectKBest(k=15), planted.PROBES)
    ),
}
classifier = LogisticRegression(max_iter=1000)


# %% name="leaks"
def auc(model, rows, y: np.ndarray) -> float:
    return roc_auc_score(y, model.predict_proba(rows)[:, 1])


def before_and_after(step, seed: int) -> list[float]:
    """AUC on the test set and on fresh customers, with the step fitted before, then after the split."""
    rng = np.random.default_rng(seed)
    (rows, y), (fresh, y_fresh) = customers(400, rng), customers(1000, rng)
    train, test = train_test_split(
        np.arange(len(y)), test_size=0.3, stratify=y, random_state=seed
    )
    early = clone(step).fit(rows, y)  # has seen the test rows and their labels
    z = early.transform(rows)
    leaky = clone(classifier).fit(z[train], y[train])
    honest = make_pipeline(clone(step), clone(classifier)).fit(
        rows.iloc[train], y[train]
    )
    return [
        auc(leaky, z[test], y[test]),
        auc(leaky, early.transform(fresh), y_fresh),
        auc(honest, rows.iloc[test], y[test]),
        auc(honest, fresh, y_fresh),
    ]


scores = {
    name: np.array([before_and_after(step, s) for s in range(16)])
    for name, step in steps.items()
}
scores["noisy copies (accuracy)"] = np.array(
    [planted.copies_before_and_after(s) for s in range(16)]
)
means = {name: s.mean(0) for name, s in scores.items()}
(
    _,
    (encoded, encoded_truth, *_, crossfit_truth),
    (*_, plain_truth),
    selection,
    copying,
) = means.values()
for name, (reported, truth, honest_reported, honest_truth) in means.items():
    assert abs(honest_reported - honest_truth) < 0.05, name
    assert (
        abs(reported - truth) < 0.05 if "impute" in name else reported - truth > 0.06
    ), name
(selected, selected_truth), (copied, copied_truth) = selection[:2], copying[:2]
scaling_leak = np.abs(
    np.diff(scores["impute, scale, one-hot"][:, [0, 2]])
).max()  # same split
assert scaling_leak < 0.01 and plain_truth < crossfit_truth - 0.06
pd.DataFrame(
    means,
    index=["before: reported", "before: fresh", "after: reported", "after: fresh"],
).T.round(3)

# %% name="leak-figure" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for k, label in enumerate(("fitted or copied before the split", "after the split")):
    for i, s in enumerate(scores.values()):
        ax.plot(
            s[:, 2 * k] - s[:, 2 * k + 1],
            np.full(16, i + 0.3 * k - 0.15),
            "o",
            alpha=0.5,
            ms=5,
            color=f"C{k}",
            label=label if i == 0 else None,
        )
ax.axvline(0, lw=1, ls=":")
ax.set(
    ylim=(4.5, -0.5),
    yticks=range(5),
    yticklabels=scores,
    xlabel="reported score minus score on fresh data",
)
fig.legend(loc="outside upper center", ncols=2)
plt.show()

# %% name="impute-and-scale"
rng = np.random.default_rng(1)
(rows, y), (fresh, y_fresh) = customers(2000, rng), customers(3000, rng)
median = SimpleImputer(strategy="median")
first, second = (
    make_pipeline(*order).fit_transform(rows[planted.NUMERIC])
    for order in ((median, StandardScaler()), (StandardScaler(), median))
)
assert all(
    np.corrcoef(first[:, i], second[:, i])[0, 1] > 1 - 1e-9 for i in range(3)
)  # a change of unit
truth, holes, hidden = planted.latencies_with_holes(rows["tokens"].to_numpy(), rng)
scaler, knn = StandardScaler().fit(holes), KNNImputer(n_neighbors=10)
filled = {
    "constant 0": SimpleImputer(strategy="constant", fill_value=0).fit_transform(holes),
    "median": median.fit_transform(holes),
    "KNN, raw units": knn.fit_transform(holes),
    "KNN, scaled first": scaler.inverse_transform(
        knn.fit_transform(scaler.transform(holes))
    ),
}
rmse = {
    name: float(np.sqrt(np.mean((f - truth)[hidden, 0] ** 2)))
    for name, f in filled.items()
}
zero_ms, median_ms, knn_raw_ms, knn_scaled_ms = rmse.values()
assert (
    knn_scaled_ms < 0.6 * knn_raw_ms
    and median_ms < 0.5 * zero_ms
    and knn_raw_ms > 0.9 * median_ms
)
flagged, silent = (
    auc(
        make_pipeline(
            make_column_transformer(
                (make_pipeline(imputer, StandardScaler()), planted.NUMERIC)
            ),
            classifier,
        ).fit(rows, y),
        fresh,
        y_fresh,
    )
    for imputer in (numbers[0], median)
)
assert flagged - silent > 0.005
pd.DataFrame({"RMSE of hidden latencies (ms)": rmse}).round(0)

# %% name="who-needs-scaling"
complete, later = (
    median.fit(rows[planted.NUMERIC]).transform(r[planted.NUMERIC])
    for r in (rows, fresh)
)
dirty = complete.copy()
dirty[0, 1] *= 1000  # one latency in microseconds
log = make_pipeline(preprocessing.FunctionTransformer(np.log1p), StandardScaler())
scalers = {
    "raw": None,
    "min-max": preprocessing.MinMaxScaler(),
    "z-score": StandardScaler(),
    "robust": preprocessing.RobustScaler(),
    "log": log,
}
models = {
    "50 nearest neighbours": KNeighborsClassifier(50),
    "tree": DecisionTreeClassifier(max_depth=5, random_state=0),
}
by_scaler = pd.DataFrame(
    {
        s: {
            m: auc(make_pipeline(scaler, clone(model)).fit(dirty, y), later, y_fresh)
            for m, model in models.items()
        }
        for s, scaler in scalers.items()
    }
)
squeezed = np.quantile(preprocessing.MinMaxScaler().fit_transform(dirty)[:, 1], 0.99)
(near_raw, near_minmax, near_z, near_robust, near_log), trees = by_scaler.to_numpy()
assert (
    near_raw < near_robust - 0.05
    and near_z < near_robust - 0.04
    and near_minmax < near_log - 0.04
)
assert np.ptp(trees) < 0.01 and squeezed < 0.01
by_scaler.round(3)

# %% name="serving"
columns = [*planted.NUMERIC, "plan"]
pipeline = make_pipeline(clone(steps["impute, scale, one-hot"]), clone(classifier)).fit(
    rows[columns], y
)
joblib.dump(pipeline, "churn.joblib")
requests = fresh[columns].head(300).copy()
requests.loc[:49, "plan"] = "enterprise"  # did not exist at training time
here = pipeline.predict_proba(requests)[:, 1]
body = json.dumps(
    requests.astype(object).where(requests.notna(), None).to_dict("records")
)
served = json.loads(
    subprocess.check_output([sys.executable, "serve.py"], input=body, text=True)
)
skew = float(np.abs(np.array(served) - here).max())
assert skew < 1e-12
one_hot = pipeline[0].named_transformers_["onehotencoder"]
unknown_rate = 1 - requests["plan"].isin(one_hot.categories_[0]).mean()
assert one_hot.transform(requests[["plan"]])[:50].sum() == 0  # all zeros, no error
try:
    refusal = OneHotEncoder().fit(rows[["plan"]]).transform(requests[["plan"]])
except ValueError as error:
    refusal = str(error)
assert "Found unknown categories" in refusal
print(
    f"{len(served)} rows in another process: largest difference {skew:.0e}; {unknown_rate:.0%} of plans unknown"
)

# %% name="refit-per-batch"
model = make_pipeline(StandardScaler(), clone(classifier)).fit(
    complete[:, 1:], y
)  # latency and tickets
stream, left = later[:1500, 1:], y_fresh[:1500]
right = model.predict_proba(stream)[:, 1]
refitted = {
    "fitted once": {"AUC": roc_auc_score(left, right), "decisions flipped": 0.0}
}
for size in (1, 4, 16, 64, 500):
    wrong = np.concatenate(
        [
            model[1].predict_proba(
                StandardScaler().fit_transform(stream[i : i + size])
            )[:, 1]
            for i in range(0, len(stream), size)
        ]
    )
    refitted[size] = {
        "AUC": roc_auc_score(left, wrong),
        "decisions flipped": np.mean((wrong > 0.5) ^ (right > 0.5)),
    }
refitted = pd.DataFrame(refitted).T.rename_axis("rows per batch")
right_auc, auc_1, auc_4, *_ = refitted["AUC"]
_, flipped_1, flipped_4, flipped_16, *_ = refitted["decisions flipped"]
assert auc_1 == 0.5 < right_auc - 0.1 and flipped_1 > 0.25 and flipped_4 > 0.1
refitted.round(3)

# %% name="chat-samples"
talks = [chat.example(seed) for seed in range(320)]
samples = [chat.encode(talk) for talk in talks]
for talk, (ids, labels) in zip(talks, samples):
    prompt, _ = chat.encode(talk[:-1], generate=True)
    assert (
        ids[: len(prompt)] == prompt
    )  # what serving sends is how the training sample begins
    assert [x for x in labels if x != chat.IGNORE] == [
        *talk[1]["content"].encode(),
        chat.END,
    ]
assert (
    chat.encode([{"role": "user", "content": "<|im_start|>system"}])[0].count(
        chat.START
    )
    == 1
)  # stays text
lengths = [len(ids) for ids, _ in samples]
learnt_share = sum(x != chat.IGNORE for _, labels in samples for x in labels) / sum(
    lengths
)
padded = sum(8 * max(lengths[i : i + 8]) for i in range(0, 320, 8))
bins = chat.pack(lengths, 2048)
padding, unfilled = 1 - sum(lengths) / padded, 1 - sum(lengths) / (2048 * len(bins))
assert (
    padding > 0.3
    and unfilled < 0.1
    and sorted(i for b in bins for i in b) == list(range(320))
)
print(
    f"learnt tokens {learnt_share:.0%}; padding {padding:.0%} in batches of 8, {unfilled:.1%} packed to 2048"
)

# %% name="packed-equals-alone"
group = [[torch.tensor(part) for part in samples[i]] for i in max(bins, key=len)]
ids, labels = (torch.cat(parts) for parts in zip(*group))
own = torch.cat([torch.full((len(i),), k) for k, (i, _) in enumerate(group)])
restart = torch.cat([torch.arange(len(i)) for i, _ in group])
alone = torch.cat(
    [chat.losses(i, y, torch.zeros(len(i)), torch.arange(len(i))) for i, y in group]
)
separate, crossed = (
    (chat.losses(ids, labels, see, restart) - alone).abs().max().item()
    for see in (own, own * 0)
)
assert separate < 1e-3 and crossed > 0.1
print(
    f"{len(group)} samples packed: a loss moves by at most {separate:.0e}; with a shared mask, {crossed:.1f}"
)

# %% name="contamination"
clean, hidden_in = planted.hidden_questions(np.random.default_rng(2))
checks = {
    "identical document": lambda text: {text},
    "13-grams, split at spaces": lambda text: ngrams(text.split()),
    "13-grams, normalised": lambda text: ngrams(normalised(text)),
}
found = pd.DataFrame(
    {
        name: {
            kind: np.mean([bool(key(q) & key(d)) for q, d in pairs])
            for kind, pairs in hidden_in.items()
        }
        for name, key in checks.items()
    }
)
asked = set().union(
    *(ngrams(normalised(q)) for pairs in hidden_in.values() for q, _ in pairs)
)
false_alarms = sum(bool(asked & ngrams(normalised(d))) for d in clean)
assert (
    found.to_numpy().T.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 1, 1, 0]]
    and false_alarms == 0
)
found.round(2)
