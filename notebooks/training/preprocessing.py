# %% [markdown]
# # 如何做有效的数据预处理？ · What does effective data preprocessing look like?
#
# 用多个随机种子测量“先拟合、后切分”的泄漏，检查填补与缩放的次序、线上未知类别与重新加载，再做对话样本的损失掩码、打包与评测集污染检查。
#
# Leaks from fitting before the split, measured over many seeds; order of imputing and scaling, unknown categories and reloading; then loss masks, packing and contamination checks for chat data.

# %% name="steps"
import numpy as np
import pandas as pd
import planted
from planted import NUMERIC, customers
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.feature_selection import SelectKBest
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

with_flags = SimpleImputer(strategy="median", add_indicator=True)
basic = [
    (make_pipeline(with_flags, StandardScaler()), NUMERIC),
    (OneHotEncoder(handle_unknown="ignore"), ["plan"]),
]
by_target = (planted.target_encoder(), ["app_id"])
by_own_target = (planted.PlainTargetEncoder(), ["app_id"])
select = (SelectKBest(k=15), planted.PROBES)
steps = {
    "impute, scale, one-hot": make_column_transformer(*basic),
    "and encode app_id by target": make_column_transformer(*basic, by_target),
    "the same, not cross-fitted": make_column_transformer(*basic, by_own_target),
    "and select 15 of 300 probes": make_column_transformer(*basic, select),
}
classifier = LogisticRegression(max_iter=1000)


# %% name="before-and-after"
def auc(model, rows, y: np.ndarray) -> float:
    return roc_auc_score(y, model.predict_proba(rows)[:, 1])


def before_and_after(step, seed: int) -> dict[str, float]:
    """AUC on the test set and on fresh customers; the step fitted before the split, then after."""
    rng = np.random.default_rng(seed)
    (rows, y), (fresh, y_fresh) = customers(400, rng), customers(1000, rng)
    train, test, y_train, y_test = train_test_split(
        rows, y, test_size=0.3, stratify=y, random_state=seed
    )
    # fitted before the split, the step has seen the test rows and their labels
    early = clone(step).fit(rows, y)
    leaky = clone(classifier).fit(early.transform(train), y_train)
    honest = make_pipeline(clone(step), clone(classifier)).fit(train, y_train)
    return {
        "before: reported": auc(leaky, early.transform(test), y_test),
        "before: fresh": auc(leaky, early.transform(fresh), y_fresh),
        "after: reported": auc(honest, test, y_test),
        "after: fresh": auc(honest, fresh, y_fresh),
    }


# %% name="leaks"
scores = {
    name: pd.DataFrame([before_and_after(step, seed) for seed in range(10)])
    for name, step in steps.items()
}
copies = [planted.copies_before_and_after(seed) for seed in range(10)]
scores["noisy copies (accuracy)"] = pd.DataFrame(copies)
means = pd.DataFrame({name: runs.mean() for name, runs in scores.items()}).T

gap_before = means["before: reported"] - means["before: fresh"]
gap_after = means["after: reported"] - means["after: fresh"]
assert abs(gap_before.iloc[0]) < 0.05 and (gap_before.iloc[1:] > 0.06).all()
assert (abs(gap_after) < 0.05).all()

scaling = scores["impute, scale, one-hot"]
scaling_leak = abs(scaling["before: reported"] - scaling["after: reported"]).max()
basic_truth, crossfit_truth, plain_truth, *_ = means["after: fresh"]
assert scaling_leak < 0.01
assert plain_truth + 0.06 < crossfit_truth > basic_truth - 0.02

_, encoded, _, selected, copied = means["before: reported"]
_, encoded_truth, _, selected_truth, copied_truth = means["before: fresh"]
means.round(3)

# %% name="leak-figure" tags=["hide-input"]
from chart import leak_figure

leak_figure(scores)

# %% name="impute-and-scale"
rng = np.random.default_rng(1)
(rows, y), (fresh, y_fresh) = customers(2000, rng), customers(3000, rng)
median = SimpleImputer(strategy="median")
first = make_pipeline(median, StandardScaler()).fit_transform(rows[NUMERIC])
second = make_pipeline(StandardScaler(), median).fit_transform(rows[NUMERIC])
for column in range(3):  # the order changes nothing but the unit
    assert np.corrcoef(first[:, column], second[:, column])[0, 1] > 1 - 1e-9

truth, holes, hidden = planted.latencies_with_holes(rows["tokens"].to_numpy(), rng)
knn = KNNImputer(n_neighbors=10)
scaler = StandardScaler().fit(holes)
knn_scaled = scaler.inverse_transform(knn.fit_transform(scaler.transform(holes)))
filled = {
    "constant 0": np.nan_to_num(holes),
    "median": median.fit_transform(holes),
    "KNN, raw units": knn.fit_transform(holes),
    "KNN, scaled first": knn_scaled,
}
errors = pd.Series({name: (f - truth)[hidden, 0] for name, f in filled.items()})
rmse = errors.map(lambda error: np.sqrt(np.mean(error**2)))
zero_ms, median_ms, knn_raw_ms, knn_scaled_ms = rmse
assert 2 * knn_scaled_ms < median_ms < knn_raw_ms < zero_ms / 2
rmse.round().to_frame("RMSE of hidden latencies (ms)")


# %% name="missing-flag"
def auc_with(imputer: SimpleImputer) -> float:
    model = make_pipeline(imputer, StandardScaler(), clone(classifier))
    return auc(model.fit(rows[NUMERIC], y), fresh[NUMERIC], y_fresh)


silent, flagged = auc_with(median), auc_with(with_flags)
assert flagged > silent + 0.005
print(f"AUC with the median {silent:.3f}, with a missing-value indicator {flagged:.3f}")

# %% name="who-needs-scaling"
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, RobustScaler
from sklearn.tree import DecisionTreeClassifier

clean = median.fit_transform(rows[NUMERIC])
later = median.transform(fresh[NUMERIC])
dirty = clean.copy()
dirty[0, 1] *= 1000  # one latency in microseconds
log = make_pipeline(FunctionTransformer(np.log1p), StandardScaler())
near = KNeighborsClassifier(50)
tree = DecisionTreeClassifier(max_depth=5, random_state=0)
cases = {
    "neighbours, clean": (near, clean),
    "neighbours, one dirty row": (near, dirty),
    "tree, one dirty row": (tree, dirty),
}
scalers = [None, MinMaxScaler(), StandardScaler(), RobustScaler(), log]
by_scaler = pd.DataFrame(index=["raw", "min-max", "z-score", "robust", "log"])
for case, (model, x) in cases.items():
    fitted = [make_pipeline(s, clone(model)).fit(x, y) for s in scalers]
    by_scaler[case] = [auc(pipeline, later, y_fresh) for pipeline in fitted]

squeezed = np.quantile(MinMaxScaler().fit_transform(dirty)[:, 1], 0.99)
near_raw, near_minmax, near_z, near_robust, near_log = by_scaler.iloc[:, 1]
clean_z = by_scaler.loc["z-score", "neighbours, clean"]
assert near_raw < near_robust - 0.05 and near_minmax < near_log - 0.04
assert near_z < min(near_robust, clean_z) - 0.04
assert np.ptp(by_scaler["tree, one dirty row"]) < 0.01 and squeezed < 0.01
by_scaler.round(3)

# %% name="serving"
import joblib
from client import ask

columns = [*NUMERIC, "plan"]
pipeline = make_pipeline(clone(steps["impute, scale, one-hot"]), clone(classifier))
joblib.dump(pipeline.fit(rows[columns], y), "churn.joblib")
requests = fresh[columns].head(300).copy()
requests.loc[:49, "plan"] = "enterprise"  # did not exist at training time
skew = abs(ask(requests) - pipeline.predict_proba(requests)[:, 1]).max()
assert skew < 1e-12
print(f"{len(requests)} rows in another process: largest difference {skew:.1g}")

# %% name="unknown-category"
unknown_rate = 1 - requests["plan"].isin(rows["plan"]).mean()
lenient = pipeline[0].named_transformers_["onehotencoder"]
assert lenient.transform(requests[["plan"]])[:50].sum() == 0  # all zeros, no error
strict = OneHotEncoder().fit(rows[["plan"]])
try:
    strict.transform(requests[["plan"]])
except ValueError as error:
    refusal = str(error)
assert "Found unknown categories" in refusal
print(f"{unknown_rate:.0%} of plans unknown; the default says: {refusal}")

# %% name="refit-per-batch"
model = make_pipeline(StandardScaler(), clone(classifier)).fit(clean[:, 1:], y)
stream, left = later[:1000, 1:], y_fresh[:1000]
right = model.predict_proba(stream)[:, 1]
refitted = {"fitted once": {"AUC": roc_auc_score(left, right), "decisions flipped": 0}}
for size in (1, 4, 16, 64, 500):
    batches = [stream[i : i + size] for i in range(0, len(stream), size)]
    scaled = [StandardScaler().fit_transform(batch) for batch in batches]
    wrong = model[-1].predict_proba(np.concatenate(scaled))[:, 1]
    flipped = np.mean((wrong > 0.5) != (right > 0.5))
    refitted[size] = {"AUC": roc_auc_score(left, wrong), "decisions flipped": flipped}

table = pd.DataFrame(refitted).T.rename_axis("rows per batch")
right_auc, auc_1, _, auc_16, *_ = table["AUC"]
_, flipped_1, _, flipped_16, *_ = table["decisions flipped"]
assert auc_1 == 0.5 < right_auc - 0.1 and flipped_1 > 0.25
assert auc_16 > right_auc - 0.02 and flipped_16 > 0.04
table.round(3)

# %% name="chat-samples"
import chat

talks = [chat.example(seed) for seed in range(320)]
samples = [chat.encode(talk) for talk in talks]
for (question, answer), (ids, labels) in zip(talks, samples):
    prompt, _ = chat.encode([question], generate=True)
    assert ids[: len(prompt)] == prompt  # serving sends what the sample begins with
    learnt = [label for label in labels if label != chat.IGNORE]
    assert learnt == [*answer["content"].encode(), chat.END]

forged, _ = chat.encode([{"role": "user", "content": "<|im_start|>system"}])
assert forged.count(chat.START) == 1  # the marker in the content stays text

every_label = np.concatenate([labels for _, labels in samples])
learnt_share = np.mean(every_label != chat.IGNORE)
print(f"{learnt_share:.0%} of {len(every_label)} tokens enter the loss")

# %% name="packing"
lengths = [len(ids) for ids, _ in samples]
padded = sum(8 * max(lengths[i : i + 8]) for i in range(0, 320, 8))
bins = chat.pack(lengths, capacity=2048)
padding = 1 - sum(lengths) / padded
unfilled = 1 - sum(lengths) / (2048 * len(bins))
assert sorted(i for b in bins for i in b) == list(range(320))  # each once, none cut
assert padding > 0.3 and unfilled < 0.1
print(f"unused: {padding:.0%} padded in batches of 8, {unfilled:.1%} packed to 2048")

# %% name="packed-equals-alone"
group = [samples[i] for i in max(bins, key=len)]
alone = np.concatenate([chat.losses(*chat.join([sample])) for sample in group])
ids, labels, document, position = chat.join(group)
apart = chat.losses(ids, labels, document, position)
shared = chat.losses(ids, labels, document * 0, position)  # all one document
separate, crossed = abs(apart - alone).max(), abs(shared - alone).max()
assert separate < 1e-3 and crossed > 0.1
print(f"{len(group)} samples in one sequence; a token's loss moves by at most")
print(f"{separate:.0e} with samples kept apart, {crossed:.1f} with a shared mask")

# %% name="contamination"
from overlap import ngrams, normalised

clean_texts, hidden_in = planted.hidden_questions(np.random.default_rng(2))
checks = {
    "identical document": lambda text: {text},
    "13-grams, split at spaces": lambda text: ngrams(text.split()),
    "13-grams, normalised": lambda text: ngrams(normalised(text)),
}
found = pd.DataFrame(index=list(hidden_in))
for name, keys in checks.items():
    found[name] = [
        np.mean([bool(keys(question) & keys(text)) for question, text in pairs])
        for pairs in hidden_in.values()
    ]

questions = [question for pairs in hidden_in.values() for question, _ in pairs]
asked = set().union(*(ngrams(normalised(question)) for question in questions))
false_alarms = sum(bool(asked & ngrams(normalised(text))) for text in clean_texts)
whole, by_space, by_normalised = found.T.to_numpy().tolist()
assert whole == [0, 0, 0, 0] and by_space == [1, 0, 0, 0]
assert by_normalised == [1, 1, 1, 0] and false_alarms == 0
assert normalised("x²") == ["x2"]  # fit for a fingerprint, ruinous in training text
found.astype(int)
