# ---
# jupyter:
#   qa:
#     seconds: 30
#     unchecked:
#       datablations.csv: measurements, whose numbers the notebook asserts
# ---

# %% [markdown]
# # 如何发现并防止过拟合与欠拟合？ · How do you detect and prevent overfitting and underfitting?
# 用 LoRA 微调真实的 SmolLM2-135M：看训练与验证曲线、早停、各种对策、重复、污染，再用公布的几十次预训练检验缩放律的预测。
# Fine-tune the real SmolLM2-135M with LoRA: training and validation curves, stopping, remedies, recitation and contamination; then forecast published pretraining runs with a scaling law.

# %% name="forecast"
import law
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plots

runs = pd.read_csv("datablations.csv")  # billions; loss in nats a token
setting = runs.groupby(["parameters", "tokens", "unique"])["loss"]
published = setting.mean().reset_index()  # 2.8B and 4.2B: five runs of each setting
size, tokens, unique = (published[c] for c in ("parameters", "tokens", "unique"))
published["epochs"] = tokens / unique
published["law"] = law.excess(size, tokens, unique)
large = published[published["parameters"] > 2]
once = large[large["epochs"] == 1].set_index("parameters")
large = large[large["epochs"] > 1].assign(
    measured=lambda run: run["loss"] - run["parameters"].map(once["loss"]),
    forecast=lambda run: run["law"] - run["parameters"].map(once["law"]),
    short=lambda run: run["measured"] - run["forecast"],
)
few, many = large[large["epochs"] < 8], large[large["epochs"] > 40]
at_14 = large[large["epochs"].between(13, 15)].set_index("parameters")["short"]
short_14, short_14_large = at_14[4.2465], at_14[8.67]
assert abs(at_14[2.81]) < 0.01 and len(at_14) == 3
worst_miss, worst_extra = abs(few["short"]).max(), few["measured"].max()
four_most = large[large["epochs"].between(3.9, 4.1)]["measured"].max()
short_least, short_most = many["short"].agg(["min", "max"])
assert len(few) == 15 and 0.015 < worst_miss < 0.02
assert 0.06 < worst_extra < 0.065 and 0.018 < four_most < 0.025
assert (setting.count()[2.81] == 5).all() and (setting.count()[4.2465] == 5).all()
between = (setting.max() - setting.min()).to_numpy()  # runs of one setting
spread = between[(published["epochs"] < 8) & (published["parameters"] > 2)].max()
assert worst_miss < spread and 0.06 < spread < 0.07
assert 0.04 < short_14 < 0.05 and 0.035 < short_14_large < 0.044
assert many["parameters"].round(1).tolist() == [2.8, 4.2, 8.7]
assert 0.375 < short_least < 0.385 < 0.56 < short_most < 0.57

tiny = published[published["parameters"] < 1].set_index("epochs").sort_index()
tiny_best = tiny["loss"].idxmin()
tiny_rise, tiny_last = tiny["loss"].iloc[-1] - tiny["loss"].min(), tiny.index[-1]
assert 58 < tiny_best < 60 and 0.17 < tiny_rise < 0.19 and 1735 < tiny_last < 1745
assert tiny["law"].is_monotonic_decreasing  # the law knows no turn
plots.forecasts(large)
plt.show()

# %% name="task"
import torch
from language_model import load_model, load_tokenizer
from sft import curve, examples, fit, log_p, loss, merged_loss, pick, run_once

model, SEEDS = load_model(), 5
ids = examples(load_tokenizer(), 152)
frozen = run_once(model, ids)
order = torch.stack(
    [torch.randperm(len(ids), generator=torch.manual_seed(s)) for s in range(SEEDS)]
)
val, test, pool = order.split([32, 48, 72], 1)
train = pool[:, :24]
assert len(ids[:, 3:].unique(dim=0)) == len(ids)  # no answer occurs twice

# Merged into the model, an adapter gives the loss that was computed from the frozen parts.
saved, shown = fit(frozen, train, steps=3), test[:, :4]
inside = merged_loss(model, ids, saved[-1], shown)
outside = loss(frozen, log_p(frozen, saved[-1], shown), shown)[0]
trained = sum(weight[0].numel() for weight in saved[-1])
assert abs(inside - outside) < 1e-3 and trained == 16_896
print(f"{trained:,} of {model.num_parameters():,} parameters are trained")

# %% name="measure"
from typing import NamedTuple

from scipy import stats


class Run(NamedTuple):
    saved: list  # checkpoints: before training, then every 3 steps
    val: torch.Tensor  # loss of each, for each seed
    chosen: torch.Tensor  # the best for each seed, by validation
    kept: list  # its weights
    best: torch.Tensor  # their test loss
    last: torch.Tensor  # test loss of the last one


def measure(train=train, **change) -> Run:
    saved = fit(frozen, train, **change)
    on_val = curve(frozen, saved, val)
    chosen = on_val.argmin(0)  # the test set has no say
    kept = pick(saved, chosen)
    best, last = curve(frozen, [kept, saved[-1]], test)
    return Run(saved, on_val, chosen, kept, best, last)


def paired(losses, base) -> tuple[float, float]:
    """The mean difference over the seeds, and half its 95% interval."""
    difference = (losses - base).numpy()
    half = stats.t.ppf(0.975, SEEDS - 1) * stats.sem(difference)
    return difference.mean(), half


# %% name="curves"
plain, slow = measure(), measure(lr=1e-4)
untrained = curve(frozen, plain.saved[:1], test)[0]
on_train, slow_train = (curve(frozen, run.saved, train) for run in (plain, slow))
plots.curves(
    {
        "underfits: learning rate 0.0001": (slow_train, slow.val),
        "overfits: learning rate 0.003": (on_train, plain.val),
    }
)
plt.show()
rise = plain.last - plain.best
best_epoch, rise_mean = plain.chosen.float().mean().item(), rise.mean().item()
measured = plain.best, plain.last, untrained, on_train[-1], slow_train[-1]
best_loss, last_loss, untrained_loss, fit_last, slow_fit = (
    losses.mean().item() for losses in measured
)
assert plain.chosen.equal(curve(frozen, plain.saved, val).argmin(0))
assert (on_train.mean(1).diff() < 0).all() and rise.min() > 0.1
assert (plain.best < untrained - 0.2).all() and 3 < best_epoch < 7
assert best_loss < last_loss - 0.2 < untrained_loss - 0.5
# Underfitting: poor on the training set itself; the gap is small and the model worse.
slow_gap, gap = slow.val[-1].mean() - slow_fit, plain.val[-1].mean() - fit_last
assert slow_fit > fit_last + 1 and (slow.last > plain.best + 0.2).all()
assert 0 < slow_gap < gap / 2 and (slow.chosen == 12).all() and 3.9 < slow_fit < 4.05

# %% name="early-stopping"
stopped = [
    next(e for e in range(13) if e == 12 or e - losses[: e + 1].argmin() == 3)
    for losses in plain.val.T
]
so_far = [plain.val[: e + 1, seed].argmin().item() for seed, e in enumerate(stopped)]
kept, restored = curve(frozen, [pick(plain.saved, e) for e in (stopped, so_far)], test)
stop_epoch, (stop_cost, _) = np.mean(stopped), paired(kept, restored)
assert best_epoch + 2.5 < stop_epoch < best_epoch + 4
assert all(e - best == 3 for e, best in zip(stopped, so_far))
assert stop_cost > 0.03 and (kept > restored).all()
print(f"stopped after epoch {stop_epoch:.1f}; cost {stop_cost:.3f} nats a token")

# %% name="repeated"
four, others = train[:, :4], train[:, 4:]
repeated = measure(train=torch.cat([four.repeat(1, 8), others], 1))  # for as many steps
d_copies, copies_margin = paired(repeated.best, plain.best)
once_seen, eight_seen = curve(frozen, [plain.kept, repeated.kept], four)
single_loss, eight_loss = once_seen.mean().item(), eight_seen.mean().item()
assert copies_margin < d_copies  # the interval excludes zero
assert (eight_seen < once_seen).all() and eight_loss < single_loss - 0.5
print(f"test loss {d_copies:+.2f} ± {copies_margin:.2f} nats a token")
print(f"loss of the four: {single_loss:.2f} in one copy, {eight_loss:.2f} in eight")

# %% name="contamination"
bench, fresh = test[:, :24], test[:, 24:]
double = measure(train=pool[:, :48])
leaky = measure(train=torch.cat([train, bench], 1))
parts = {"benchmark": bench, "fresh": fresh, "validation": val}
losses = {
    name: curve(frozen, [double.kept, leaky.kept], part) for name, part in parts.items()
}
leak, d_fresh, d_val = (paired(dirty, clean) for clean, dirty in losses.values())
d_leak, leak_margin = leak
assert torch.cat([bench, fresh], 1).equal(test)
elsewhere = d_fresh, d_val
fresh_change, val_change = (change for change, _ in elsewhere)
assert d_leak + leak_margin < -0.2 and abs(d_leak) > 5 * max(
    map(abs, (fresh_change, val_change))
)
assert all(abs(change) < margin for change, margin in elsewhere)  # both include zero
gap_clean, gap_leaky = (losses["fresh"] - losses["benchmark"]).mean(1).tolist()
assert gap_leaky > 0.3 > 2 * abs(gap_clean)  # unpublished items show it
scores = {name: loss.mean(1).numpy() for name, loss in losses.items()}
pd.DataFrame(scores, ["clean", "contaminated"]).round(2)

# %% name="passes" tags=["sweep"] flips="passes_flip"
few_seen, often_seen = measure(train=pool), measure(train=pool[:, :8])
by_passes = {4: few_seen, 6: double, 12: plain, 36: often_seen}  # 288 / examples
sweep = pd.DataFrame(
    [
        (run.best.mean().item(), run.last.mean().item(), untrained_loss)
        for run in by_passes.values()
    ],
    pd.Index(list(by_passes), name="passes over each example [times]"),
    ["best checkpoint", "last checkpoint", "not fine-tuned"],
)
excess = torch.stack([run.last - untrained for run in by_passes.values()]).T
flip_least, *_, flip_most = sorted(np.interp(0, e, sweep.index) for e in excess)
passes_flip = float(np.interp(0, excess.mean(0), sweep.index))
assert sweep["last checkpoint"].is_monotonic_increasing
assert 17 < flip_least < passes_flip < flip_most < 27
assert (sweep["best checkpoint"] < untrained_loss - 0.3).all()
sweep.add_suffix(" [nats per token]").round(2)

# %% name="remedies"
runs = {  # each differs from the plain run in one thing
    "three times the data": few_seen,
    "rank 1": measure(rank=1),
    "dropout 0.5": measure(drop=0.5),
    "weight decay 1": measure(decay=1.0),
    "weight decay 20": measure(decay=20.0),
}
columns = ["change at the best checkpoint", "± 95%", "rise by the last"]
rows = [
    (*paired(run.best, plain.best), paired(run.last, run.best)[0])
    for run in runs.values()
]
table = pd.DataFrame(rows, list(runs), columns)
change, margin, rises = (table[column] for column in columns)
d_more, d_rank, d_drop, d_mild, d_decay = change
rise_more, rise_rank, rise_drop, rise_mild, rise_decay = rises
# More data gains more than its interval; no regulariser does, at these strengths.
d_others = change.iloc[1:].abs().max()
assert len({d_more, d_rank, d_drop, d_mild, d_decay}) == len(runs)
assert len({rise_more, rise_rank, rise_drop, rise_mild, rise_decay}) == len(runs)
assert d_more + margin.iloc[0] < 0 and (change.abs() < margin).iloc[1:].all()
assert max(abs(d_rank), abs(d_decay)) <= d_others < 0.03 and d_others < -d_more / 2
# Strong decay and more data take the rise away; the others leave most of it.
assert max(rise_more, rise_decay) < 0.3 * rise_mean
assert 0.6 < min(rise_rank, rise_drop) / rise_mean
assert 0.88 < rise_mild / rise_mean < 0.96
table.map("{:+.3f}".format)
