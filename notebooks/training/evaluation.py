# %% [markdown]
# # 如何全面评估模型的效果？ · How do you evaluate a model thoroughly?
#
# 一个不平衡问题上指标互相矛盾，由错误的代价定模型与阈值；再验证 BLEU、pass@k、评测的误差条与裁判的位置偏差。
#
# Metrics disagree on one imbalanced problem and the cost of errors decides; then BLEU, pass@k, error bars for evals and a judge's position bias.

# %% name="three-models"
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn.metrics as skm
from overlap import bleu, rouge
from scipy.special import comb, expit
from scipy.stats import binom, norm
from sklearn.calibration import calibration_curve
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score

rng = np.random.default_rng(0)


def requests(
    n: int,
) -> tuple[
    np.ndarray, np.ndarray
]:  # most abuse is faint in many features, some blatant in two
    x = rng.normal(size=(n, 62))
    blatant = (x[:, 0] > 1.3) & (x[:, 1] > 1.3)
    return x, (
        rng.random(n)
        < expit(-5 + 1.8 * x[:, 2:].sum(axis=1) / math.sqrt(60) + 6 * blatant)
    ).astype(int)


(x_train, y_train), (x_val, y_val), (x_test, y) = (
    requests(5000),
    requests(20000),
    requests(20000),
)
models = {
    "logistic": LogisticRegression(),
    "weighted logistic": LogisticRegression(class_weight="balanced"),
    "boosted trees": HistGradientBoostingClassifier(random_state=0),
}
for model in models.values():
    model.fit(x_train, y_train)
val, test = (
    {m: model.predict_proba(x)[:, 1] for m, model in models.items()}
    for x in (x_val, x_test)
)
size, positives, train_positives, prevalence = (
    len(y),
    int(y.sum()),
    int(y_train.sum()),
    y.mean(),
)
print(
    f"test set: {size} requests, {positives} abusive ({prevalence:.1%}); training set: {train_positives} abusive of 5000"
)

# %% name="metrics"
draws = rng.multinomial(
    size, np.full(size, 1 / size), size=200
)  # one bootstrap resample a row, as counts
weights = np.vstack([np.ones(size), draws])  # row 0: the test set itself


def metrics(
    s: np.ndarray,
) -> dict[str, np.ndarray]:  # on every resample; threshold 0.5 where a label is needed
    hit, flagged = weights @ ((s >= 0.5) & (y == 1)), weights @ (s >= 0.5)
    w, t = weights[:, np.argsort(-s)], y[np.argsort(-s)]
    tp, fp = np.cumsum(w * t, axis=1), np.cumsum(w * (1 - t), axis=1)
    pos, neg = tp[:, -1], fp[:, -1]
    return {
        "accuracy": weights @ ((s >= 0.5) == y) / size,
        "precision": hit / flagged,
        "recall": hit / pos,
        "F1": 2 * hit / (flagged + pos),
        "ROC AUC": (tp * w * (1 - t)).sum(axis=1) / (pos * neg),
        "PR AUC": (tp / np.maximum(tp + fp, 1) * w * t).sum(axis=1) / pos,
        "log loss": weights @ -np.log(np.where(y == 1, s, 1 - s)) / size,
    }


scores = {m: metrics(s) for m, s in test.items()}
plain, weighted, trees = scores.values()
for k, official in (
    ("ROC AUC", skm.roc_auc_score),
    ("PR AUC", skm.average_precision_score),
):
    assert abs(trees[k][0] - official(y, test["boosted trees"])) < 1e-3
better = {
    k: min(scores, key=lambda m: scores[m][k][0] * (1 if k == "log loss" else -1))
    for k in plain
}
top_accuracy, always_allow = trees["accuracy"][0], 1 - prevalence
assert len(set(better.values())) == 3 and top_accuracy - always_allow < 0.005
for gap in (
    trees["PR AUC"] - plain["PR AUC"],
    plain["ROC AUC"] - trees["ROC AUC"],
    trees["log loss"] - plain["log loss"],
    weighted["recall"] - trees["recall"],
    trees["precision"] - weighted["precision"],
):
    assert np.quantile(gap[1:], 0.025) > 0  # paired: both models on the same resample
cells = {
    m: {
        k: "{:.3f} [{:.3f}, {:.3f}]".format(v[0], *np.quantile(v[1:], (0.025, 0.975)))
        for k, v in r.items()
    }
    for m, r in scores.items()
}
pd.DataFrame(cells | {"best": better})

# %% name="calibration" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (m, s), marker in zip(test.items(), "o^s"):
    observed, predicted = calibration_curve(y, s, n_bins=8, strategy="quantile")
    ax.plot(predicted, observed, marker=marker, label=m)
ax.plot([5e-4, 1], [5e-4, 1], ":", color="tab:gray", label="calibrated")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="mean predicted probability of abuse",
    ylabel="observed share of abuse",
)
ax.legend()
plt.show()

# %% name="cost"
miss = 40  # cost of a missed abusive request; reviewing a harmless one by hand costs 1


def cost(truth: np.ndarray, flag: np.ndarray, ratio: float) -> np.ndarray:
    return (
        np.where(truth == 1, ratio * ~flag, flag) * 1000
    )  # its mean: cost per 1000 requests


def cheapest(
    m: str, ratio: float
) -> float:  # the threshold with the lowest cost on the validation set
    return min(
        np.quantile(val[m], np.linspace(0, 1, 250)),
        key=lambda t: cost(y_val, val[m] >= t, ratio).mean(),
    )


cuts = {
    m: {"at 0.5": 0.5, "at 1/41": 1 / (1 + miss), "tuned": cheapest(m, miss)}
    for m in test
}
costs = {
    m: {k: cost(y, test[m] >= t, miss).mean() for k, t in c.items()}
    for m, c in cuts.items()
}
low_2, high_2, low_40, high_40 = (
    q
    for r in (2, miss)
    for q in np.quantile(
        draws
        @ (
            cost(y, test["boosted trees"] >= cheapest("boosted trees", r), r)
            - cost(y, test["logistic"] >= cheapest("logistic", r), r)
        )
        / size,
        (0.025, 0.975),
    )
)
assert (
    high_2 < 0 < low_40
)  # trees are cheaper when a miss costs 2, dearer when it costs 40
(
    (half, formula, tuned),
    (_, formula_weighted, tuned_weighted),
    (_, formula_trees, tuned_trees),
) = pd.DataFrame(costs).T.values
assert (
    tuned < 0.6 * half
    and formula < 1.1 * tuned
    and min(formula_weighted / tuned_weighted, formula_trees / tuned_trees) > 1.2
)
pd.DataFrame(costs).T.round(0).astype(int).assign(
    threshold=[f"{c['tuned']:.5f}" for c in cuts.values()]
)

# %% name="cost-ratio" tags=["hide-input"]
ratios = np.geomspace(1.5, 60, 14)
trivial = (
    np.minimum(ratios * prevalence, 1 - prevalence) * 1000
)  # the cheaper of: review nothing, review everything
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for m, style in (("logistic", "C0o-"), ("boosted trees", "C2s-")):
    ax.plot(
        ratios,
        [cost(y, test[m] >= cheapest(m, r), r).mean() for r in ratios] / trivial,
        style,
        label=m,
    )
ax.set(
    xlabel="cost of a miss / cost of a review",
    ylabel="cost / best policy without a model",
)
ax.legend()
plt.show()

# %% name="confusion"
at_half, at_tuned = (
    skm.confusion_matrix(y, test["logistic"] >= cuts["logistic"][k])
    for k in ("at 0.5", "tuned")
)
caught_half, caught, false_alarms = at_half[1, 1], at_tuned[1, 1], at_tuned[0, 1]
pd.DataFrame(
    np.hstack([at_half, at_tuned]),
    index=["actually harmless", "actually abusive"],
    columns=["0.5: allowed", "0.5: reviewed", "tuned: allowed", "tuned: reviewed"],
)

# %% name="labels-not-scores"
rows = {
    m: {
        "ROC AUC, scores": skm.roc_auc_score(y, s),
        "ROC AUC, labels": skm.roc_auc_score(y, s >= 0.5),
        "balanced accuracy": skm.balanced_accuracy_score(y, s >= 0.5),
        "accuracy": skm.accuracy_score(y, s >= 0.5),
        "recall, weighted": skm.recall_score(y, s >= 0.5, average="weighted"),
    }
    for m, s in test.items()
}
(
    (auc_plain, lab_plain, *_),
    (auc_weighted, lab_weighted, *_),
    (auc_trees, lab_trees, *_),
) = (list(r.values()) for r in rows.values())
for r in rows.values():
    assert math.isclose(r["ROC AUC, labels"], r["balanced accuracy"]) and math.isclose(
        r["accuracy"], r["recall, weighted"]
    )
assert (
    abs(auc_plain - auc_weighted) < 0.02
    and lab_weighted - lab_plain > 0.15
    and auc_trees - lab_trees > 0.2
)
pd.DataFrame(rows).T.round(3)

# %% name="folds"
folds = cross_val_score(
    models["logistic"], x_train, y_train, cv=5, scoring="average_precision"
)
fold_mean, fold_sd, holdout, test_pr = (
    folds.mean(),
    folds.std(ddof=1),
    plain["PR AUC"][0],
    trees["PR AUC"][0],
)
train_pr = skm.average_precision_score(
    y_train, models["boosted trees"].predict_proba(x_train)[:, 1]
)
assert abs(fold_mean - holdout) < 0.1 and train_pr > 0.9 > 0.5 > test_pr
print(
    f"PR AUC of the logistic model: 5 folds {fold_mean:.3f} (sd {fold_sd:.3f}), test set {holdout:.3f}"
)
print(f"PR AUC of the trees: training data {train_pr:.3f}, test set {test_pr:.3f}")

# %% name="overlap"
reference = "patients must not take this drug with any kind of alcohol".split()
outputs = {
    "meaning reversed": "patients must take this drug with any kind of alcohol".split(),
    "meaning kept": "do not drink while you are on this medicine".split(),
}
table = pd.DataFrame(
    {
        "BLEU-4": {m: bleu(o, reference) for m, o in outputs.items()},
        "ROUGE-1": {m: rouge(o, reference) for m, o in outputs.items()},
    }
)
(bleu_bad, rouge_bad), (bleu_good, rouge_good) = table.values
assert math.isclose(
    bleu_bad, math.exp(1 - 11 / 10) * (10 / 10 * 8 / 9 * 6 / 8 * 5 / 7) ** (1 / 4)
)  # counted by hand
assert (
    math.isclose(rouge_bad, 10 / 11)
    and math.isclose(rouge_good, 2 / 11)
    and bleu_good == 0
)
zh_split, zh_characters = (
    bleu(cut("服药期间不能饮酒"), cut("服药期间不可饮酒")) for cut in (str.split, list)
)
table.round(2)

# %% name="pass-at-k"
n, k = 20, 10
p = rng.beta(
    0.3, 1.2, size=164
)  # planted success rates of 164 problems, many of them hard
truth = np.mean(1 - (1 - p) ** k)
correct = rng.binomial(
    n, p, size=(2000, 164)
)  # 2000 repetitions of the whole evaluation
per_count = 1 - comb(n - np.arange(n + 1), k) / comb(
    n, k
)  # the estimate for c = 0, 1, ..., n
assert math.isclose(
    binom.pmf(np.arange(n + 1), n, 0.07) @ per_count, 1 - 0.93**k
)  # unbiased, exactly
estimates = {
    "unbiased, 20 samples": per_count[correct].mean(axis=1),
    "1-(1-c/n)^k, 20 samples": (1 - (1 - correct / n) ** k).mean(axis=1),
    "any of 10 samples": (rng.hypergeometric(correct, n - correct, k) > 0).mean(axis=1),
}
bias, noise = (
    {m: 100 * f(e) for m, e in estimates.items()}
    for f in (lambda e: e.mean() - truth, np.std)
)
(bias_unbiased, bias_plug_in, _), (noise_unbiased, _, noise_any) = (
    bias.values(),
    noise.values(),
)
assert (
    abs(bias_unbiased) < 4 * noise_unbiased / math.sqrt(2000)
    and bias_plug_in < -1
    and noise_any > 1.3 * noise_unbiased
)
pd.DataFrame({"bias (points)": bias, "standard deviation (points)": noise}).round(2)

# %% name="error-bars"
passages, per = (
    100,
    10,
)  # 1000 simulated benchmarks: 100 passages of 10 questions, two equally good models
logit = (
    rng.normal(size=(1000, passages, 1, 1))
    + rng.normal(size=(1000, passages, 1, 2))  # passage: for both; for one
    + rng.normal(size=(1000, passages, per, 1))
)  # question: for both
right = (rng.random((1000, passages, per, 2)) < expit(logit)).astype(
    float
)  # true accuracy 50%, by symmetry


def half_width(x: np.ndarray, clustered: bool) -> np.ndarray:
    rest = x - x.mean(axis=(1, 2), keepdims=True)
    squares = rest.sum(axis=2) ** 2 if clustered else (rest**2).sum(axis=2)
    return 1.96 * np.sqrt(squares.sum(axis=1)) / (passages * per)


a, b = right[..., 0], right[..., 1]
bars = {
    "accuracy, naive": (a - 0.5, half_width(a, False)),
    "accuracy, clustered": (a - 0.5, half_width(a, True)),
    "difference, unpaired": (a - b, np.hypot(half_width(a, True), half_width(b, True))),
    "difference, paired, clustered": (a - b, half_width(a - b, True)),
}
cover_naive, cover_clustered, cover_unpaired, cover_paired = cover = [
    np.mean(abs(x.mean(axis=(1, 2))) < h) for x, h in bars.values()
]
width_naive, width_clustered, width_unpaired, width_paired = width = [
    100 * h.mean() for _, h in bars.values()
]
assert (
    cover_naive < 0.85
    and width_paired < 0.9 * width_unpaired
    and np.allclose([cover_clustered, cover_paired], 0.95, atol=0.025)
)
pd.DataFrame(
    {
        "half-width of 95% interval (points)": np.round(width, 1),
        "covers the truth": np.round(cover, 3),
    },
    index=list(bars),
)

# %% name="sample-size"
z2 = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2  # two-sided 5%, power 80%
ab_users = math.ceil(
    z2 * (0.10 * 0.90 + 0.09 * 0.91) / 0.01**2
)  # thumbs-down from 10% to 9%, users per arm
two_points = math.ceil(
    passages * z2 * (width_paired / 1.96 / 2) ** 2
)  # passages to detect 2 points, paired
looks = rng.normal(size=(20000, 20)).cumsum(axis=1) / np.sqrt(
    np.arange(1, 21)
)  # z after each of 20 days, no effect
one_look, peeking = (
    np.mean(abs(looks[:, -1]) > 1.96),
    np.mean((abs(looks) > 1.96).any(axis=1)),
)
assert one_look < 0.07 and peeking > 0.2
print(
    f"A/B: {ab_users} users per arm; eval: {two_points} passages; false alarms {one_look:.1%}, peeking daily {peeking:.1%}"
)

# %% name="judge"
names, strength, bonus = (
    ["A", "B", "C", "candidate"],
    np.array([0.8, 0.2, 0.0, 0.4]),
    0.7,
)  # in logits, planted
rival, points = rng.integers(3, size=6000), 400 / math.log(10)  # Elo points per logit
gap = (
    strength[3] - strength[rival] + rng.logistic(size=6000)
)  # how much better the candidate's answer is here
shown_first, shown_second = (
    gap + bonus > 0,
    gap - bonus > 0,
)  # does the judge pick the candidate?
people = gap + rng.logistic(scale=0.5, size=6000) > 0


def elo(
    x: np.ndarray, won: np.ndarray, position: bool
) -> np.ndarray:  # Bradley-Terry; last: the bonus of being first
    fit = LogisticRegression(C=1e6, fit_intercept=position).fit(x, won)
    return points * np.append(fit.coef_[0] - fit.coef_[0].mean(), fit.intercept_)


x, planted = np.eye(4)[3] - np.eye(4)[rival], points * (strength - strength.mean())
one_order, both_orders = (
    elo(x, shown_first, False)[:4],
    elo(np.vstack([x, -x]), np.append(shown_first, ~shown_second), True),
)
found, inflated = both_orders[4], one_order[3] - planted[3]
agree, stable, kappa = (
    np.mean(shown_first == people),
    shown_first == shown_second,
    skm.cohen_kappa_score(shown_first, people),
)
flips, agree_stable = 1 - stable.mean(), np.mean(shown_first[stable] == people[stable])
assert one_order.argmax() == 3 and planted.argmax() == both_orders[:4].argmax() == 0
assert abs(both_orders[:4] - planted).max() < 30 and abs(found - points * bonus) < 25
pd.DataFrame(
    {
        "planted": planted,
        "always shown first": one_order,
        "both orders": both_orders[:4],
    },
    index=names,
).round().astype(int)
