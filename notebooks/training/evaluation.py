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
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from traffic import requests

rng = np.random.default_rng(0)
x_train, y_train = requests(rng, 5000)
x_val, y_val = requests(rng, 20000)
x_test, y = requests(rng, 20000)
models = {
    "logistic": LogisticRegression(),
    "weighted logistic": LogisticRegression(class_weight="balanced"),
    "boosted trees": HistGradientBoostingClassifier(random_state=0),
}
for model in models.values():
    model.fit(x_train, y_train)
val = {name: model.predict_proba(x_val)[:, 1] for name, model in models.items()}
test = {name: model.predict_proba(x_test)[:, 1] for name, model in models.items()}

size, positives, train_positives = len(y), int(y.sum()), int(y_train.sum())
always_allow = 1 - positives / size
print(f"training set: {train_positives} abusive of {len(y_train)} requests")
print(f"test set: {positives} abusive of {size} requests ({positives / size:.1%})")

# %% name="metrics"
from bootstrap import interval, metric_table, metrics, resamples

weights = resamples(rng, size, times=200)
scores = {name: metrics(y, score, weights) for name, score in test.items()}
for name, score in test.items():
    roc_auc, pr_auc = scores[name]["ROC AUC"][0], scores[name]["PR AUC"][0]
    assert math.isclose(roc_auc, skm.roc_auc_score(y, score), abs_tol=1e-3)
    assert math.isclose(pr_auc, skm.average_precision_score(y, score), abs_tol=1e-3)

table = metric_table(scores)
assert set(table["best"]) == set(models)
top_accuracy = scores["boosted trees"]["accuracy"][0]
assert 0 < top_accuracy - always_allow < 0.005
table


# %% name="paired"
def paired(metric: str, first: str, second: str) -> np.ndarray:
    return interval(scores[first][metric] - scores[second][metric])


gaps = pd.DataFrame(index=["95% interval from", "to"])
for metric in ("PR AUC", "ROC AUC", "log loss"):
    gaps[metric] = paired(metric, "boosted trees", "logistic")
assert gaps["PR AUC"].min() > 0  # the trees are better
assert gaps["ROC AUC"].max() < 0  # the trees are worse
assert gaps["log loss"].min() > 0  # worse again: of log loss, less is better

recall_low, _ = paired("recall", "weighted logistic", "boosted trees")
f1_low, f1_high = paired("F1", "weighted logistic", "boosted trees")
assert recall_low > 0 and f1_low < 0 < f1_high
gaps.T.round(3)

# %% name="calibration" tags=["hide-input"]
from sklearn.calibration import calibration_curve

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
off = {}  # observed share / predicted probability, in eight groups by score
for (name, score), marker in zip(test.items(), "o^s"):
    observed, predicted = calibration_curve(y, score, n_bins=8, strategy="quantile")
    off[name] = observed / predicted
    ax.plot(predicted, observed, marker=marker, label=name)
ax.plot([5e-4, 1], [5e-4, 1], ":", color="tab:gray", label="calibrated")
ax.set(xscale="log", yscale="log")
ax.set(xlabel="mean predicted probability of abuse", ylabel="observed share of abuse")
ax.legend()
plt.show()

logistic_off = np.exp(abs(np.log(off["logistic"]))).max()
weighted_off = test["weighted logistic"].mean() / y.mean()
trees_off = math.floor(off["boosted trees"][:7].min())  # all but the highest scores
assert logistic_off < 5 < weighted_off and trees_off > 30
assert off["logistic"][5:7].max() < 2  # the groups around 1/41, used below

# %% name="cost"
miss = 40  # cost of a missed abusive request; reviewing a harmless one costs 1


def cost(truth: np.ndarray, reviewed: np.ndarray, miss: float) -> np.ndarray:
    missed = (truth == 1) & ~reviewed
    needless = (truth == 0) & reviewed
    return 1000 * (miss * missed + needless)  # its mean: cost per 1000 requests


def cheapest(name: str, miss: float) -> float:
    """The threshold with the lowest cost on the validation set."""
    candidates = np.quantile(val[name], np.linspace(0, 1, 250))
    costs = [cost(y_val, val[name] >= t, miss).mean() for t in candidates]
    return candidates[np.argmin(costs)]


costs = {}
for name, score in test.items():
    thresholds = [0.5, 1 / (1 + miss), cheapest(name, miss)]
    costs[name] = [cost(y, score >= t, miss).mean() for t in thresholds]
half, formula, tuned = costs["logistic"]
_, formula_weighted, tuned_weighted = costs["weighted logistic"]
_, formula_trees, tuned_trees = costs["boosted trees"]
assert tuned < 0.6 * half and formula < 1.1 * tuned and tuned_weighted < 1.1 * tuned
assert formula_weighted > 1.2 * tuned_weighted and formula_trees > 1.2 * tuned_trees
columns = ["threshold 0.5", "by the formula", "tuned"]
pd.DataFrame(costs, index=columns).T.round().astype(int)


# %% name="cost-interval"
def extra_cost(miss: float) -> np.ndarray:
    """95% interval of the trees' cost minus that of logistic regression."""
    trees = cost(y, test["boosted trees"] >= cheapest("boosted trees", miss), miss)
    logistic = cost(y, test["logistic"] >= cheapest("logistic", miss), miss)
    return interval(weights @ (trees - logistic) / size)


low_2, high_2 = extra_cost(2)
low_40, high_40 = extra_cost(miss)
assert high_2 < 0 < low_40
print(f"trees - logistic, miss =  2: {low_2:+.1f} to {high_2:+.1f}")
print(f"trees - logistic, miss = {miss}: {low_40:+.1f} to {high_40:+.1f}")

# %% name="cost-ratio" tags=["hide-input"]
ratios = np.geomspace(1.5, 60, 10)
# the cheaper of reviewing nothing and reviewing everything
no_model = 1000 * np.minimum(ratios * y.mean(), 1 - y.mean())
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for name, style in (("logistic", "C0o-"), ("boosted trees", "C2s-")):
    spent = [cost(y, test[name] >= cheapest(name, r), r).mean() for r in ratios]
    ax.plot(ratios, spent / no_model, style, label=name)
ax.set(xlabel="cost of a miss / cost of a review")
ax.set(ylabel="cost / best policy without a model")
ax.legend()
plt.show()

# %% name="confusion"
tuned_threshold = cheapest("logistic", miss)
at_half = skm.confusion_matrix(y, test["logistic"] >= 0.5)
at_tuned = skm.confusion_matrix(y, test["logistic"] >= tuned_threshold)
caught_half, caught, false_alarms = at_half[1, 1], at_tuned[1, 1], at_tuned[0, 1]
pd.DataFrame(
    np.hstack([at_half, at_tuned]),
    index=["actually harmless", "actually abusive"],
    columns=["0.5: allowed", "0.5: reviewed", "tuned: allowed", "tuned: reviewed"],
)

# %% name="folds"
from sklearn.model_selection import cross_val_score

folds = cross_val_score(
    models["logistic"], x_train, y_train, cv=5, scoring="average_precision"
)
fold_mean, fold_sd = folds.mean(), folds.std(ddof=1)
holdout = scores["logistic"]["PR AUC"][0]
assert abs(fold_mean - holdout) < 0.1
print(f"five folds {folds.round(3)}: mean {fold_mean:.3f}, sd {fold_sd:.3f}")
print(f"test set {holdout:.3f}")

# %% name="overlap"
from overlap import bleu, rouge

reference = "patients must not take this drug with any kind of alcohol".split()
outputs = {
    "meaning reversed": "patients must take this drug with any kind of alcohol",
    "meaning kept": "do not drink while you are on this medicine",
}
table = pd.DataFrame(index=list(outputs))
table["BLEU-4"] = [bleu(text.split(), reference) for text in outputs.values()]
table["ROUGE-1"] = [rouge(text.split(), reference) for text in outputs.values()]
bleu_bad, bleu_good = table["BLEU-4"]
rouge_bad, rouge_good = table["ROUGE-1"]

# counted by hand: 10/10, 8/9, 6/8 and 5/7 n-grams match, 10 words against 11
by_hand = math.exp(1 - 11 / 10) * (10 / 10 * 8 / 9 * 6 / 8 * 5 / 7) ** (1 / 4)
assert math.isclose(bleu_bad, by_hand) and bleu_good == 0
assert math.isclose(rouge_bad, 10 / 11) and math.isclose(rouge_good, 2 / 11)

zh, zh_reference = "服药期间不能饮酒", "服药期间不可饮酒"
zh_split = bleu(zh.split(), zh_reference.split())
zh_characters = bleu(list(zh), list(zh_reference))
table.round(2)

# %% name="pass-at-k"
from scipy.special import comb

problems, n, k, repeats = 164, 20, 10, 2000
p = rng.beta(0.3, 1.2, size=problems)  # planted success rates, many problems hard
true_pass = np.mean(1 - (1 - p) ** k)

correct = rng.binomial(n, p, size=(repeats, problems))
estimates = {
    "unbiased, n = 20": 1 - comb(n - correct, k) / comb(n, k),
    "1-(1-c/n)^k, n = 20": 1 - (1 - correct / n) ** k,
    "any of 10 samples": rng.hypergeometric(correct, n - correct, k) > 0,
}
table = pd.DataFrame(columns=["bias (points)", "sd (points)"])
for name, per_problem in estimates.items():
    error = 100 * (per_problem.mean(axis=1) - true_pass)
    table.loc[name] = error.mean(), error.std()
bias_unbiased, bias_plug_in, bias_any = table["bias (points)"]
noise_unbiased, _, noise_any = table["sd (points)"]
chance = 4 / math.sqrt(repeats)  # four standard errors of a mean, in sds
assert abs(bias_unbiased) < chance * noise_unbiased
assert abs(bias_any) < chance * noise_any
assert bias_plug_in < -1 and noise_any > 1.3 * noise_unbiased
table.round(2)

# %% name="error-bars"
from evals import simulate

passages, per_passage = 100, 10
a, b = simulate(rng, 1000, passages, per_passage)


def half_width(x: np.ndarray, clustered: bool) -> np.ndarray:
    """Of the 95% interval of each eval's mean."""
    deviations = x - x.mean(axis=(1, 2), keepdims=True)
    if clustered:
        deviations = deviations.sum(axis=2, keepdims=True)
    squares = (deviations**2).sum(axis=(1, 2))
    return 1.96 * np.sqrt(squares) / (passages * per_passage)


bar_a, bar_b = half_width(a, clustered=True), half_width(b, clustered=True)
bars = {
    "accuracy, naive": (a - 0.5, half_width(a, clustered=False)),
    "accuracy, clustered": (a - 0.5, bar_a),
    "difference, unpaired": (a - b, np.hypot(bar_a, bar_b)),
    "difference, paired": (a - b, half_width(a - b, clustered=True)),
}
table = pd.DataFrame(columns=["half-width (points)", "covers the truth"])
for name, (errors, bar) in bars.items():
    covered = abs(errors.mean(axis=(1, 2))) < bar
    table.loc[name] = 100 * bar.mean(), covered.mean()
_, _, width_unpaired, width_paired = table["half-width (points)"]
cover_naive, cover_clustered, cover_unpaired, cover_paired = table["covers the truth"]
assert cover_naive < 0.85 and cover_unpaired > 0.97
assert abs(cover_clustered - 0.95) < 0.025 and abs(cover_paired - 0.95) < 0.025
assert width_paired < 0.9 * width_unpaired
table.round(3)

# %% name="sample-size"
from scipy.stats import norm

z2 = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2  # two-sided 5%, power 80%
p1, p2 = 0.10, 0.09  # share of thumbs-down
ab_users = math.ceil(z2 * (p1 * (1 - p1) + p2 * (1 - p2)) / (p1 - p2) ** 2)

standard_error = width_paired / 1.96  # of a paired difference on 100 passages, points
two_points = math.ceil(passages * z2 * (standard_error / 2) ** 2)
print(f"A/B test: {ab_users} users per arm; eval: {two_points} passages")

# %% name="peeking"
days = np.arange(1, 21)
z = rng.normal(size=(20000, days.size)).cumsum(axis=1) / np.sqrt(days)  # no effect
one_look = np.mean(abs(z[:, -1]) > 1.96)
peeking = np.mean((abs(z) > 1.96).any(axis=1))
assert one_look < 0.07 and peeking > 0.2
print(f"false alarms: {one_look:.1%} on the last day only, {peeking:.1%} looking daily")

# %% name="judge"
from judge import BONUS, NAMES, STRENGTH, duels

one_hot = np.eye(len(NAMES))
rival, shown_first, shown_second, people = duels(rng, 6000)
candidate_minus_rival = one_hot[3] - one_hot[rival]
elo = 400 / math.log(10)  # points per logit


def bradley_terry(x: np.ndarray, won: np.ndarray, position: bool) -> tuple:
    """Elo of the four models, and the bonus of being shown first."""
    # C is large: no penalty
    fit = LogisticRegression(C=1e6, fit_intercept=position).fit(x, won)
    strength = fit.coef_[0]
    return elo * (strength - strength.mean()), elo * fit.intercept_[0]


one_order, _ = bradley_terry(candidate_minus_rival, shown_first, position=False)
# the same duels in the other order: now the rival is shown first
x = np.vstack([candidate_minus_rival, -candidate_minus_rival])
first_won = np.append(shown_first, ~shown_second)
both_orders, found = bradley_terry(x, first_won, position=True)

planted = elo * (STRENGTH - STRENGTH.mean())
inflated = one_order[3] - planted[3]
assert one_order.argmax() == 3 and planted.argmax() == both_orders.argmax() == 0
assert abs(both_orders - planted).max() < 30 and abs(found - elo * BONUS) < 25
columns = {"planted": planted, "always first": one_order, "both orders": both_orders}
pd.DataFrame(columns, index=NAMES).round().astype(int)

# %% name="agreement"
stable = shown_first == shown_second
flips = 1 - stable.mean()
agree = np.mean(shown_first == people)
kappa = skm.cohen_kappa_score(shown_first, people)
agree_stable = np.mean(shown_first[stable] == people[stable])
assert flips > 0.2 and agree_stable > agree + 0.05
print(f"verdicts that flip with the order: {flips:.0%}")
print(f"agreement with people: {agree:.0%}, where it does not flip {agree_stable:.0%}")

# %% name="labels-not-scores"
auc = pd.DataFrame(index=["AUC, scores", "AUC, labels", "balanced accuracy"])
for name, score in test.items():
    labels = score >= 0.5
    auc[name] = [
        skm.roc_auc_score(y, score),
        skm.roc_auc_score(y, labels),
        skm.balanced_accuracy_score(y, labels),
    ]
assert np.allclose(auc.loc["AUC, labels"], auc.loc["balanced accuracy"])
auc_plain, lab_plain, _ = auc["logistic"]
auc_weighted, lab_weighted, _ = auc["weighted logistic"]
assert abs(auc_plain - auc_weighted) < 0.02 and lab_weighted - lab_plain > 0.15
recall = skm.recall_score(y, labels, average="weighted")
assert math.isclose(recall, skm.accuracy_score(y, labels))
auc.T.round(3)

# %% name="training-score"
trees = models["boosted trees"]
train_pr = skm.average_precision_score(y_train, trees.predict_proba(x_train)[:, 1])
test_pr = scores["boosted trees"]["PR AUC"][0]
assert train_pr > 0.9 and test_pr < 0.5
print(f"PR AUC of the trees: training data {train_pr:.3f}, test set {test_pr:.3f}")
