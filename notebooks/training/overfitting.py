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
from torch.nn import functional as F

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
    train: np.ndarray  # loss [checkpoint, seed]
    val: np.ndarray
    chosen: np.ndarray  # checkpoint of each seed
    best: pd.DataFrame  # one row a seed
    last: pd.DataFrame


def read(saved, chosen, data=train, members=1) -> pd.DataFrame:
    w = pick(saved, np.tile(chosen, members))
    fitted = nll(vote(w, data[0], members), data[1])
    on_test = vote(w, test[0], members)
    unseen, right = nll(on_test, test[1]), accuracy(on_test, test[1])
    columns = {"train": fitted, "test": unseen, "gap": unseen - fitted}
    return pd.DataFrame(columns | {"accuracy": right}, dtype=float)


def measure(saved, data=train, members=1) -> Run:
    train_curve, val_curve = (
        torch.stack([nll(vote(w, x, members), y) for w in saved]).numpy()
        for x, y in (data, val)
    )
    # The validation set chooses the checkpoint; the test set has no say.
    chosen = val_curve.argmin(0)
    best = read(saved, chosen, data, members)
    last = read(saved, np.full(SEEDS, len(saved) - 1), data, members)
    return Run(saved, train_curve, val_curve, chosen, best, last)


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
assert large_train < floor / 2 and large_test > best_test + 0.2
# A smaller gap, and a worse model on every seed.
assert small_gap < best_gap
assert (small.best.test - large.best.test).min() > 0.3
# Twice as wide is no worse once validation chooses the checkpoint.
assert wide_test < best_test + 0.03

# %% name="curves"
epochs = 2.5 * np.arange(1, 25)
pair = {"underfits: width 2": small, "overfits: width 64": large}
plots.curves(epochs, pair, floor)
plt.show()

# %% name="capacity"
penalised = {decay: measure(fit(train, decay=decay)) for decay in [0.5, 2, 8]}
decayed = {0: large} | penalised
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
def summary(run: Run) -> dict[str, float]:
    paired = run.best.test - large.best.test  # seed against seed
    half = stats.t.ppf(0.975, SEEDS - 1) * paired.std() / SEEDS**0.5
    end = {"gap, end": run.last.gap.mean(), "test loss, end": run.last.test.mean()}
    best = {"change, best": paired.mean(), "±": half}
    return end | best | {"accuracy, best": 100 * run.best.accuracy.mean()}


table = pd.DataFrame({name: summary(run) for name, run in remedies.items()}).T
(
    _,
    gap_width,
    gap_l1,
    gap_decay,
    gap_drop,
    gap_noise,
    gap_shift,
    _,
    gap_vote,
    gap_more,
) = table["gap, end"]
_, d_width, d_l1, d_decay, d_drop, d_noise, d_shift, d_pseudo, d_vote, d_more = table[
    "change, best"
]
table
