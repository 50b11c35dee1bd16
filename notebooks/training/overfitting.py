# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何发现并防止过拟合与欠拟合？ · How do you detect and prevent overfitting and underfitting?
#
# 一族网络从欠拟合走到过拟合；每种对策在 8 个种子上的效果与区间；再看早停、选模型、污染、双下降和重复数据。
#
# One family of networks from under- to overfitting; every remedy over 8 seeds with an interval; then stopping, selection, contamination, double descent and repeated data.

# %% name="task"
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from scipy import stats
from sklearn.datasets import load_digits
from sklearn.linear_model import RidgeClassifier
from sklearn.model_selection import cross_val_score
from torch.nn import functional as F

from network import fit, logits, nll, vote

rng = np.random.default_rng(0)
SEEDS, NOISE = 8, 0.2
digits = load_digits()  # 1797 images of 8 x 8 pixels
order = np.stack([rng.permutation(len(digits.target)) for _ in range(SEEDS)])
images = torch.tensor(digits.data[order] / 16, dtype=torch.float32)  # [seed, example, pixel]
wrong = rng.random(order.shape) < NOISE  # in every split, one label in five is replaced by another digit
labels = torch.tensor((digits.target[order] + wrong * rng.integers(1, 10, order.shape)) % 10)
train, val, extra, test = [(images[:, a:b], labels[:, a:b]) for a, b in [(0, 200), (200, 400), (400, 1000), (1000, 1797)]]

ceiling = 1 - NOISE  # accuracy on unseen labels of somebody who knows every digit
floor = -ceiling * math.log(ceiling) - NOISE * math.log(NOISE / 9)  # and the loss: the entropy of the labels
print(f"best possible on unseen labels: loss {floor:.3f} nats, accuracy {ceiling:.0%}")


# %% name="measure"
def results(saved, index, data=train, members=1) -> dict[str, np.ndarray]:
    """Of each seed, at its own checkpoint index[seed]."""
    rows = {}
    for k in set(index.tolist()):
        on_test = vote(saved[k], test[0], members)
        rows[k] = (nll(vote(saved[k], data[0], members), data[1]), nll(on_test, test[1]),
                   (on_test.argmax(2) == test[1]).float().mean(1))
    fitted, unseen, accuracy = np.array([[row[s] for row in rows[k]] for s, k in enumerate(index.tolist())]).T
    return {"train": fitted, "test": unseen, "gap": unseen - fitted, "accuracy": accuracy}


def measure(saved, data=train, members=1) -> dict:
    curves = {name: torch.stack([nll(vote(w, x, members), y) for w in saved])
              for name, (x, y) in [("train", data), ("val", val)]}
    best = curves["val"].argmin(0)  # the validation set chooses; the test set has no say
    last = torch.full_like(best, len(saved) - 1)
    return curves | {"index": best, "best": results(saved, best, data, members), "last": results(saved, last, data, members)}

# %% name="family"
saved = {width: fit(train, width) for width in [2, 8, 16, 64, 128]}
family = {width: measure(run) for width, run in saved.items()}
small, large = family[2], family[64]
small_train, small_test, small_gap = [small["last"][k].mean() for k in ["train", "test", "gap"]]
large_train, large_test, large_gap, large_accuracy = [large["last"][k].mean() for k in ["train", "test", "gap", "accuracy"]]
best_train, best_test, best_gap, best_accuracy = [large["best"][k].mean() for k in ["train", "test", "gap", "accuracy"]]
wide_test = family[128]["best"]["test"].mean()
assert small_train > floor + 0.4  # underfitting: poor on the training set itself
assert large_train < floor / 2 and large_test > best_test + 0.3  # below the floor lies memory, and it costs on unseen data
assert small_gap < best_gap and (small["best"]["test"] - large["best"]["test"]).min() > 0.3  # smaller gap, worse model
assert wide_test < best_test + 0.03  # twice as wide is no worse once validation chooses the checkpoint

# %% name="curves" tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5), sharey=True, layout="constrained")
for ax, width, title in [(axes[0], 2, "underfits: width 2"), (axes[1], 64, "overfits: width 64")]:
    epochs = (1 + np.arange(len(saved[width]))) * 5 * 100 / 200
    for name, label in [("train", "training"), ("val", "validation")]:
        line, = ax.plot(epochs, family[width][name].mean(1), label=label)
        ax.fill_between(epochs, *np.percentile(family[width][name], [0, 100], axis=1), alpha=0.2, color=line.get_color())
    ax.axhline(floor, linestyle=":", color="gray", label="best possible")
    ax.set(title=title, xlabel="epoch", ylim=(0, 2.6))
axes[0].set_ylabel("loss (nats per image)")
axes[0].legend()
plt.show()

# %% name="capacity" tags=["hide-input"]
decayed = {0: large} | {decay: measure(fit(train, decay=decay)) for decay in [0.5, 2, 8]}
_, weak_test, mid_test, strong_test = [m["last"]["test"].mean() for m in decayed.values()]
strong_train = decayed[8]["last"]["train"].mean()
assert mid_test + 0.1 < min(large_test, strong_test) and strong_train > floor + 0.2  # too much decay underfits
fig, axes = plt.subplots(1, 2, figsize=(7, 3.5), sharey=True, layout="constrained")
for ax, sweep, label in [(axes[0], family, "hidden units"), (axes[1], decayed, "weight decay (width 64)")]:
    for part, when, style in [("train", "last", "-"), ("test", "last", "-"), ("test", "best", "--")]:
        ax.plot([m[when][part].mean() for m in sweep.values()], style, marker="o", label=f"{part}, {when} checkpoint")
    ax.axhline(floor, linestyle=":", color="gray")
    ax.set(xlabel=label, xticks=range(len(sweep)), xticklabels=list(sweep))
axes[0].set_ylabel("loss (nats per image)")
axes[0].legend(fontsize="small")
plt.show()


# %% name="remedies"
def join(a, b):
    return torch.cat([a[0], b[0]], 1), torch.cat([a[1], b[1]], 1)


def noisy(x):
    return x + 0.5 * torch.randn_like(x)


def shifted(x):  # up to one pixel; these digits are already centred
    frames, moves = F.pad(x.unflatten(2, (8, 8)), (1, 1, 1, 1)), torch.randint(0, 3, (SEEDS, 2)).tolist()
    return torch.stack([f[:, i:i + 8, j:j + 8].flatten(1) for f, (i, j) in zip(frames, moves)])


guesses = torch.stack([logits(saved[64][k], extra[0])[s].argmax(1) for s, k in enumerate(large["index"].tolist())])
pseudo, more = join(train, (extra[0], guesses)), join(train, extra)
four = fit((train[0].repeat(4, 1, 1), train[1].repeat(4, 1)))  # four initialisations on the same data
remedies = {"width 8": family[8], "L1": measure(fit(train, l1=0.002)), "weight decay": decayed[2],
            "dropout 0.5": measure(fit(train, drop=0.5)), "augment: pixel noise": measure(fit(train, augment=noisy)),
            "augment: shifts": measure(fit(train, augment=shifted)), "600 pseudo-labels": measure(fit(pseudo), pseudo),
            "ensemble of 4": measure(four, members=4), "600 more labels": measure(fit(more), more)}


# %% name="remedies-table"
def change(m) -> tuple[float, float]:
    """Mean change of the best checkpoint's test loss, seed against seed, and half its 95% interval."""
    d = m["best"]["test"] - large["best"]["test"]
    return d.mean(), stats.t.ppf(0.975, SEEDS - 1) * d.std(ddof=1) / SEEDS**0.5


d_width, d_l1, d_decay, d_drop, d_noise, d_shift, d_pseudo, d_vote, d_more = [change(m)[0] for m in remedies.values()]
gap_width, gap_l1, gap_decay, gap_drop, gap_noise, gap_shift, _, gap_vote, gap_more = [
    m["last"]["gap"].mean() for m in remedies.values()]
assert max(gap_l1, gap_decay, gap_drop, gap_noise, gap_shift, gap_more) < 0.75 * large_gap  # they do narrow the gap
assert d_width > 0.1 and d_shift > 0.02 and d_pseudo > 0  # these make the model worse, two of them with a smaller gap
assert -0.06 < min(d_l1, d_decay, d_drop) and max(d_l1, d_decay, d_drop) < 0.02  # beside early stopping, penalties add little
assert sum(change(remedies["600 more labels"])) < -0.06 and sum(change(remedies["ensemble of 4"])) < 0
pd.DataFrame({name: {f"{what}, {when}": f"{m[when][key].mean():.2f}" for when in ["last", "best"]
                     for what, key in [("gap", "gap"), ("test loss", "test")]}
              | {"change, best": "{:+.3f} ± {:.3f}".format(*change(m)), "accuracy, best": f"{m['best']['accuracy'].mean():.1%}"}
              for name, m in ({"no remedy": large} | remedies).items()}).T

# %% name="cross-validation"
x, y, model = images[0].numpy(), labels[0].numpy(), RidgeClassifier()
errors = []
for mine, rest in [np.split(rng.permutation(len(y)), [200]) for _ in range(30)]:
    folds = cross_val_score(model, x[mine], y[mine], cv=5)
    truth = model.fit(x[mine], y[mine]).score(x[rest], y[rest])
    errors.append(np.array([model.score(x[mine], y[mine]), folds[0], folds.mean()]) - truth)
resubstitution, holdout, crossed = rms = 100 * np.sqrt(np.mean(np.square(errors), 0))  # percentage points
assert crossed < 0.75 * holdout < holdout < resubstitution
pd.DataFrame({"mean error (points)": 100 * np.mean(errors, 0), "RMS error (points)": rms},
             index=["training score", "one hold-out of 40", "5-fold cross-validation"]).round(1)


# %% name="double-descent"
def random_features(s: int, p: int, ridge: float) -> list[float]:
    """Least squares on p fixed random ReLU units: error rate on the training and on the test set."""
    draw = np.random.default_rng(s)
    w, b, target = draw.normal(size=(64, p)) / 4, draw.normal(size=p) / 2, np.eye(10)[train[1][s]]
    h, unseen = [np.maximum(part[0][s].numpy() @ w + b, 0) / p**0.5 for part in (train, test)]
    coef = h.T @ np.linalg.solve(h @ h.T + ridge * np.eye(len(h)), target) if ridge else np.linalg.lstsq(h, target)[0]
    return [np.mean((z @ coef).argmax(1) != part[1][s].numpy()) for z, part in [(h, train), (unseen, test)]]


sweep = {f"{p} units" + ", ridge" * (ridge > 0): np.mean([random_features(s, p, ridge) for s in range(SEEDS)], 0)
         for p, ridge in [(50, 0), (100, 0), (200, 0), (400, 0), (1600, 0), (200, 0.1), (1600, 0.1)]}
few_error, peak_error, many_error, ridge_error, best_error = [
    sweep[k][1] for k in ["50 units", "200 units", "1600 units", "200 units, ridge", "1600 units, ridge"]]
assert peak_error > few_error + 0.15 and many_error < peak_error - 0.15 and max(ridge_error, best_error) < few_error - 0.05
pd.DataFrame(sweep, index=["training error", "test error"]).T.map("{:.1%}".format)

# %% name="repeats"
torch.manual_seed(5)
first, second = 1.2 * torch.randn(64, 24), 1.2 * torch.randn(24, 32)  # a language of 32 tokens: the last two set the odds


def text(n: int):
    x = torch.cat([F.one_hot(torch.randint(32, (4, n)), 32) for _ in range(2)], 2).float()
    p = (torch.relu(x @ first) @ second).softmax(2)
    return (x, torch.multinomial(p.flatten(0, 1), 1).view(4, n)), torch.special.entr(p).sum(2).mean().item()


held_out, entropy = text(2000)
budget, rows = 24_576, {}  # training tokens, the same for all
for epochs in [1, 4, 16, 64]:
    unique, _ = text(budget // epochs)
    run = fit(unique, width=96, steps=budget // 128, batch=128, every=32, classes=32)
    losses = [nll(logits(w, held_out[0]), held_out[1]).mean().item() for w in run]
    rows[epochs] = [budget // epochs, nll(logits(run[-1], unique[0]), unique[1]).mean().item(), losses[-1], min(losses)]
(_, once_train, once_val, _), (_, four_train, four_val, _), (_, _, sixteen_val, _), (_, many_train, many_val, many_best) = rows.values()
assert once_val - once_train < 0.08 and abs(four_val - once_val) < 0.06  # one pass: hardly a gap; four: nearly as good
assert sixteen_val > once_val + 0.1 and many_train < entropy / 2 and many_val > once_val + 0.6
pd.DataFrame(rows, index=["unique tokens", "training loss", "validation loss, last", "validation loss, best"]).T.round(2)

# %% name="early-stopping"
patience = 6  # checkpoints, here 15 epochs
history = large["val"].numpy()
waited = np.array([k - history[:k + 1].argmin(0) for k in range(len(history))])
stopped = torch.tensor((waited >= patience).argmax(0))
lost = results(saved[64], stopped)["test"] - large["best"]["test"]
assert (stopped - large["index"] == patience).all() and lost.min() > 0  # every seed pays
assert lost.mean() > -min(d_l1, d_decay, d_drop)  # more than any of the penalties gains
stop_loss, stop_epochs = lost.mean(), stopped.double().mean().item() * 2.5 + 2.5
best_epochs = large["index"].double().mean().item() * 2.5 + 2.5
print(f"best weights from epoch {best_epochs:.1f}; stopped at {stop_epochs:.1f}; keeping those costs {stop_loss:.3f} nats "
      f"(from {lost.min():.3f} to {lost.max():.3f})")


# %% name="winner"
def winner(s: int, items: int = 60) -> tuple[float, float]:
    """Of 200 models on 16 random pixels each, the best on 60 test images: its accuracy there and on the rest."""
    pixels = np.array([rng.choice(64, 16, replace=False) for _ in range(200)])
    x, unseen = [part[0][s].numpy()[:, pixels].swapaxes(0, 1) for part in (train, test)]
    coef = np.linalg.solve(x.swapaxes(1, 2) @ x + np.eye(16), x.swapaxes(1, 2) @ np.eye(10)[train[1][s]])
    right = (unseen @ coef).argmax(2) == test[1][s].numpy()
    best = right[right[:, :items].mean(1).argmax()]
    return best[:items].mean(), best[items:].mean()


claims, checks = np.array([winner(s) for s in range(SEEDS)]).T
claimed, checked = claims.mean(), checks.mean()
optimism = 100 * (claimed - checked)  # percentage points
assert optimism > 4
print(f"best of 200 on 60 test images: {claimed:.1%}; the same models on 737 fresh images: {checked:.1%}")

# %% name="contamination"
bench, other = [(part[0][:, :100], part[1][:, :100]) for part in (val, extra)]
trained = {"clean": fit(join(train, other), steps=240)[-1], "contaminated": fit(join(train, bench), steps=240)[-1]}
table = pd.DataFrame({where: {name: (logits(w, x).argmax(2) == y).double().mean().item() for name, w in trained.items()}
                      for where, (x, y) in [("benchmark", bench), ("fresh images", test)]})
clean_bench, clean_fresh, leaky_bench, leaky_fresh = table.to_numpy().ravel()
assert leaky_bench > ceiling + 0.08 and abs(leaky_fresh - clean_fresh) < 0.05 and clean_bench < ceiling
table.map("{:.1%}".format)
