# %% [markdown]
# # 如何发现并防止过拟合与欠拟合？ · How do you detect and prevent overfitting and underfitting?
#
# 一族网络从欠拟合走到过拟合；每种对策在 8 个种子上的效果与区间；再看早停、选模型、污染、双下降和重复数据。
#
# One family of networks from under- to overfitting; every remedy over 8 seeds with an interval; then stopping, selection, contamination, double descent and repeated data.

# %% name="task"
import math
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plots
import torch
from network import accuracy, fit, join, logits, nll, noisy, pick, shifted, vote
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score

SEEDS, NOISE = 8, 0.2
rng = np.random.default_rng(0)
digits = load_digits()  # 1797 images of 8 x 8 pixels
order = np.stack([rng.permutation(len(digits.target)) for _ in range(SEEDS)])
images = torch.tensor(digits.data[order] / 16, dtype=torch.float32)
# In every split one label in five is replaced by another digit.
wrong = rng.random(order.shape) < NOISE
offset = wrong * rng.integers(1, 10, order.shape)
labels = torch.tensor((digits.target[order] + offset) % 10)

sizes = [200, 200, 600, 797]
train, val, extra, test = zip(images.split(sizes, 1), labels.split(sizes, 1))

# What somebody who knows every digit reaches on unseen labels.
ceiling = 1 - NOISE
floor = -ceiling * math.log(ceiling) - NOISE * math.log(NOISE / 9)
print(f"best possible: loss {floor:.3f} nats, accuracy {ceiling:.0%}")


# %% name="measure"
class Run(NamedTuple):
    saved: list
    chosen: np.ndarray  # checkpoint of each seed
    best: pd.DataFrame  # there; one row a seed
    last: pd.DataFrame  # at the final checkpoint


def curve(saved, data, members=1) -> np.ndarray:
    """Loss at each checkpoint of each seed."""
    x, y = data
    return torch.stack([nll(vote(w, x, members), y) for w in saved]).numpy()


def read(saved, chosen, data=train, members=1) -> pd.DataFrame:
    w = pick(saved, np.tile(chosen, members))
    fitted = nll(vote(w, data[0], members), data[1])
    scores = vote(w, test[0], members)
    unseen, right = nll(scores, test[1]), accuracy(scores, test[1])
    columns = {"train": fitted, "test": unseen, "gap": unseen - fitted}
    return pd.DataFrame(columns | {"accuracy": right}, dtype=float)


def measure(saved, data=train, members=1) -> Run:
    # The validation set chooses the checkpoint; the test set has no say.
    chosen = curve(saved, val, members).argmin(0)
    final = np.full(SEEDS, len(saved) - 1)
    best, last = (read(saved, k, data, members) for k in (chosen, final))
    return Run(saved, chosen, best, last)


# %% name="family"
family = {width: measure(fit(train, width)) for width in [2, 8, 16, 64, 128]}
small, large = family[2], family[64]
small_train, small_gap = small.last.train.mean(), small.last.gap.mean()
large_train, large_test, large_gap, large_accuracy = large.last.mean()
best_train, best_test, best_gap, best_accuracy = large.best.mean()
wide_test = family[128].best.test.mean()
excess = (large_test - floor) / (best_test - floor)

# Underfitting: poor on the training set itself.
assert small_train > floor + 0.4
# Overfitting: below the floor lies memory, and it costs on unseen data.
assert large_train < floor / 2
assert large_test > best_test + 0.2
# A smaller gap, and a worse model on every seed.
assert small_gap < best_gap
assert (small.best.test - large.best.test).min() > 0.3
# The last checkpoint's test loss is U-shaped in width; the chosen one's falls.
at_end = [run.last.test.mean() for run in family.values()]
at_best = [run.best.test.mean() for run in family.values()]
assert at_end[2] + 0.2 < min(at_end[0], at_end[-1])
assert np.diff(at_best).max() < 0.03

# %% name="curves"
epochs = 2 * np.arange(1, 25)
small_curves, large_curves = (
    {"training": curve(run.saved, train), "validation": curve(run.saved, val)}
    for run in (small, large)
)
titles = "underfits: width 2", "overfits: width 64"
plots.curves(dict(zip(titles, (small_curves, large_curves))), epochs, floor)
plt.show()

# %% name="capacity"
decayed = {0: large}
for decay in [0.5, 2, 8]:
    decayed[decay] = measure(fit(train, decay=decay))
_, weak_test, mid_test, strong_test = (run.last.test.mean() for run in decayed.values())
strong_train = decayed[8].last.train.mean()
assert mid_test + 0.1 < min(large_test, strong_test)
assert strong_train > floor + 0.2  # too much decay underfits

plots.sweeps({"hidden units": family, "weight decay (width 64)": decayed}, floor)
plt.show()

# %% name="remedies"
# The model's own predictions stand in for labels it was not given.
guesses = logits(pick(large.saved, large.chosen), extra[0]).argmax(2)
pseudo, more = join(train, (extra[0], guesses)), join(train, extra)
# Four initialisations on the same data.
four = fit((train[0].repeat(4, 1, 1), train[1].repeat(4, 1)))
remedies = {
    "no remedy": large,
    "width 8": family[8],
    "L1": measure(fit(train, l1=0.002)),
    "weight decay": decayed[2],
    "dropout": measure(fit(train, drop=0.5)),
    "pixel noise": measure(fit(train, augment=noisy)),
    "shifts": measure(fit(train, augment=shifted)),
    "pseudo-labels": measure(fit(pseudo), pseudo),
    "ensemble": measure(four, members=4),
    "more labels": measure(fit(more), more),
}


# %% name="remedies-table"
def summary(run: Run) -> list[float]:
    end, best = run.last.mean(), run.best.mean()
    paired = run.best.test - large.best.test  # seed against seed
    half = stats.t.ppf(0.975, SEEDS - 1) * paired.sem()
    return [end.gap, end.test, paired.mean(), half, best.accuracy]


names = ["gap", "test loss", "change", "± 95%", "accuracy"]
table = pd.DataFrame(map(summary, remedies.values()), list(remedies), names)
penalties = ["L1", "weight decay", "dropout"]
others = table.index.drop(["no remedy", *penalties])
gap_l1, gap_decay, gap_drop = table.gap[penalties]
gap_width, gap_noise, gap_shift, _, gap_vote, gap_more = table.gap[others]
d_l1, d_decay, d_drop = table.change[penalties]
d_width, d_noise, d_shift, d_pseudo, d_vote, d_more = table.change[others]

# Penalties, augmentation and data narrow the gap ...
narrow = [*penalties, "pixel noise", "shifts", "more labels"]
assert table.gap[narrow].max() < 0.75 * large_gap
# ... but beside early stopping the penalties add little ...
assert table.change[penalties].between(-0.06, 0.02).all()
# ... and a smaller gap can mean a worse model.
assert max(gap_width, gap_shift) < large_gap / 2
assert d_width > 0.1 and d_shift > 0.02 and d_pseudo > 0
# More labels help most; noise and voting help too.
assert d_more < min(d_noise, d_vote) - 0.04 and max(d_noise, d_vote) < -0.01

formats = ["{:.2f}", "{:.2f}", "{:+.3f}", "{:.3f}", "{:.1%}"]
pd.DataFrame({name: table[name].map(f.format) for name, f in zip(names, formats)})

# %% name="cross-validation"
x, y = images[0].numpy(), labels[0].numpy()
model = RidgeClassifier()
errors = []
for _ in range(30):
    mine, rest = np.split(rng.permutation(len(y)), [200])
    folds = cross_val_score(model, x[mine], y[mine], cv=5)
    model.fit(x[mine], y[mine])
    estimates = [model.score(x[mine], y[mine]), folds[0], folds.mean()]
    errors.append(100 * (np.array(estimates) - model.score(x[rest], y[rest])))
rms = np.sqrt(np.mean(np.square(errors), 0))
resubstitution, holdout, crossed = rms
assert crossed < 0.75 * holdout < holdout < resubstitution
pd.DataFrame(
    {"mean error (points)": np.mean(errors, 0), "RMS error (points)": rms},
    index=["training score", "one hold-out of 40", "5-fold cross-validation"],
).round(1)


# %% name="double-descent"
def random_features(seed: int, units: int, ridge: float) -> list[float]:
    """Least squares on fixed random ReLU units: training and test error rate."""
    draw = np.random.default_rng(seed)
    w, b = draw.normal(size=(64, units)) / 4, draw.normal(size=units) / 2
    h, h_test = (
        np.maximum(x[seed].numpy() @ w + b, 0) / units**0.5 for x, _ in (train, test)
    )
    y, y_test = train[1][seed].numpy(), test[1][seed].numpy()
    target = np.eye(10)[y]
    if ridge:
        gram = h @ h.T + ridge * np.eye(len(h))
        coef = h.T @ np.linalg.solve(gram, target)
    else:
        coef = np.linalg.lstsq(h, target)[0]
    wrong = (h @ coef).argmax(1) != y
    test_wrong = (h_test @ coef).argmax(1) != y_test
    return [wrong.mean(), test_wrong.mean()]


cases = [(50, 0), (100, 0), (200, 0), (400, 0), (1600, 0), (200, 0.1), (1600, 0.1)]
rates = pd.DataFrame(
    [np.mean([random_features(s, *c) for s in range(SEEDS)], 0) for c in cases],
    [f"{units} units, ridge {ridge}" for units, ridge in cases],
    ["training error", "test error"],
)
few_error, _, peak_error, _, many_error, ridge_error, best_error = rates["test error"]
assert peak_error > max(few_error, many_error) + 0.15
assert max(ridge_error, best_error) < rates["test error"][:5].min() - 0.05
rates.map("{:.1%}".format)

# %% name="repeats"
from language import text

torch.manual_seed(5)
held_out, entropy = text(500)
budget, rows = 19_200, {}  # tokens of training, the same for all
for passes in [1, 4, 16, 64]:
    unique, _ = text(budget // passes)
    saved = fit(unique, width=96, steps=budget // 100, classes=32)
    on_unique = curve(saved[-1:], unique).mean()
    on_val = curve(saved, held_out).mean(1)
    rows[passes] = [budget // passes, on_unique, on_val[-1], on_val.min()]
_, once_train, once_val, _ = rows[1]
four_val, sixteen_val = rows[4][2], rows[16][2]
_, many_train, many_val, many_best = rows[64]

# One pass: hardly a gap. Four: nearly as good. Then it is learned by heart.
assert once_val - once_train < 0.1 and four_val < once_val + 0.07
assert sixteen_val > once_val + 0.1
assert many_train < entropy / 2 and many_val > once_val + 0.6
columns = ["unique tokens", "training", "validation", "validation, best"]
pd.DataFrame.from_dict(rows, "index", columns=columns).round(2)


# %% name="early-stopping"
def stop(losses: np.ndarray, patience: int = 6) -> int:
    """Six checkpoints, here 12 epochs, without a new best."""
    best = 0
    for k, loss in enumerate(losses):
        best = k if loss < losses[best] else best
        if k - best == patience:
            return k
    raise ValueError("never stopped")


stopped = np.array([stop(losses) for losses in large_curves["validation"].T])
lost = read(large.saved, stopped).test - large.best.test
assert lost.min() > 0  # every seed pays ...
assert lost.mean() > -min(d_l1, d_decay, d_drop)  # ... more than a penalty gains

stop_loss = lost.mean()
best_epochs, stop_epochs = epochs[large.chosen].mean(), epochs[stopped].mean()
print(f"best weights from epoch {best_epochs:.1f}, stopped at {stop_epochs:.1f}")
print(f"cost: {stop_loss:.3f} nats (from {lost.min():.3f} to {lost.max():.3f})")


# %% name="winner"
def winner(seed: int, items: int = 60) -> tuple[float, float]:
    """Of 200 models, the best on 60 test images: its accuracy there and elsewhere."""
    x, target = train[0][seed].numpy(), np.eye(10)[train[1][seed]]
    unseen, answers = test[0][seed].numpy(), test[1][seed].numpy()
    right = []
    for _ in range(200):
        pixels = rng.choice(64, 16, replace=False)
        z = x[:, pixels]
        coef = np.linalg.solve(z.T @ z + np.eye(16), z.T @ target)
        right.append((unseen[:, pixels] @ coef).argmax(1) == answers)
    best = max(right, key=lambda r: r[:items].mean())
    return best[:items].mean(), best[items:].mean()


claimed, checked = np.mean([winner(seed) for seed in range(SEEDS)], axis=0)
optimism = 100 * (claimed - checked)  # percentage points
assert optimism > 4
print(f"best of 200 on 60 test images: {claimed:.1%}")
print(f"the same models on 737 fresh images: {checked:.1%}")

# %% name="contamination"
bench, other = ((x[:, :100], y[:, :100]) for x, y in (val, extra))
clean = fit(join(train, other), steps=192)[-1]
leaky = fit(join(train, bench), steps=192)[-1]


def score(w, data) -> float:
    x, y = data
    return accuracy(logits(w, x), y).mean().item()


clean_bench, clean_fresh = score(clean, bench), score(clean, test)
leaky_bench, leaky_fresh = score(leaky, bench), score(leaky, test)
assert clean_bench < ceiling - 0.05 and leaky_bench > ceiling + 0.05
assert abs(leaky_fresh - clean_fresh) < 0.05
pd.DataFrame(
    [[clean_bench, clean_fresh], [leaky_bench, leaky_fresh]],
    ["clean", "contaminated"],
    ["benchmark", "fresh images"],
).map("{:.1%}".format)
