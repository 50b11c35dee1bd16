# ---
# jupyter:
#   qa:
#     seconds: 30
#     unchecked:
#       datablations.csv: measurements, whose numbers the notebook asserts
# ---

# %% [markdown]
# # 如何发现并防止过拟合与欠拟合？ · How do you detect and prevent overfitting and underfitting?
# 用 LoRA 微调真实的 SmolLM2-135M：看训练与验证曲线、早停、各种对策、逐字背诵、污染，再用公布的 400 次预训练检验缩放律的预测。
# Fine-tune the real SmolLM2-135M with LoRA: training and validation curves, stopping, remedies, recitation and contamination; then forecast published pretraining runs with a scaling law.

# %% name="forecast"
import law
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import plots

published = pd.read_csv("datablations.csv")  # billions; loss in nats a token
published["epochs"] = published["tokens"] / published["unique"]
published["law"] = law.loss(*(published[c] for c in ("parameters", "tokens", "unique")))
large = published[published["parameters"] > 2]
once = large[large["epochs"] == 1].set_index("parameters")
large = large[large["epochs"] > 1].assign(
    measured=lambda run: run["loss"] - run["parameters"].map(once["loss"]),
    forecast=lambda run: run["law"] - run["parameters"].map(once["law"]),
)
few, many = large[large["epochs"] < 8], large[large["epochs"] > 40]
worst_miss = abs(few["measured"] - few["forecast"]).max()
four = large[large["epochs"].between(3.9, 4.1)]["measured"]
four_least, four_most = four.min(), four.max()
under_least, under_most = (many["measured"] / many["forecast"]).agg(["min", "max"])
assert len(few) == 15 and worst_miss < 0.02 and len(four) == 3 and four_most < 0.025
assert len(many) == 2 and 2 < under_least < under_most < 3

tiny = published[published["parameters"] < 1].set_index("epochs")
tiny_best = tiny["loss"].idxmin()
tiny_rise = tiny["loss"].iloc[-1] - tiny["loss"].min()
assert 50 < tiny_best < 70 and tiny_rise > 0.15
assert tiny["law"].is_monotonic_decreasing  # the law knows no turn
plots.forecasts(large)
plt.show()

# %% name="task"
import torch
from language_model import load_model, load_tokenizer
from sft import curve, examples, fit, log_p, loss, pick, run_once

model, SEEDS = load_model(), 5
ids = examples(load_tokenizer(), 176)
frozen = run_once(model, ids)
order = torch.stack(
    [torch.randperm(len(ids), generator=torch.manual_seed(s)) for s in range(SEEDS)]
)
val, test, pool = order.split([32, 48, 96], 1)
train = pool[:, :32]
assert all(
    len(set(row.tolist())) == len(ids) == len(ids.unique(dim=0)) for row in order
)

# Adapted in the model itself, an example has the loss that was computed from its frozen parts.
saved = fit(frozen, train, epochs=1)
down = model.model.layers[-1].mlp.down_proj.weight
before, sample = down.detach().clone(), ids[test[0, :4]]
with torch.no_grad():
    down += 2 * (saved[-1][0][0] @ saved[-1][1][0]).T
    logits = model(sample).logits[:, 2:-1, ids[:, 3:].unique()].flatten(0, 1)
    down.copy_(before)
    inside = torch.nn.functional.cross_entropy(
        logits, frozen.answers[test[0, :4]].flatten()
    )
    outside = loss(frozen, log_p(frozen, saved[-1], test[:, :4]), test[:, :4])[0]
assert abs(inside - outside) < 1e-3
trained = sum(w[0].numel() for w in saved[0])
assert trained == 8 * sum(frozen.inner.shape[-1:] + frozen.stream.shape[-1:])
print(f"{trained:,} of {model.num_parameters():,} parameters are trained")

# %% name="measure"
from typing import NamedTuple


class Run(NamedTuple):
    change: dict
    saved: list
    val: torch.Tensor  # loss after each epoch, for each seed
    epochs: torch.Tensor  # chosen for each seed, by validation
    best: torch.Tensor  # test loss there
    last: torch.Tensor  # test loss after the final epoch


def measure(train=train, **change) -> Run:
    saved = fit(frozen, train, **change)
    on_val = curve(frozen, saved, val)
    epochs = on_val.argmin(0)  # the test set has no say
    best, last = curve(frozen, [pick(saved, epochs), saved[-1]], test)
    return Run(change, saved, on_val, epochs, best, last)


# %% name="curves"
plain, slow = measure(), measure(lr=1e-4)
untrained = curve(frozen, plain.saved[:1], test)[0]
on_train, slow_train = (curve(frozen, run.saved, train) for run in (plain, slow))
plots.curves(
    {
        "underfits: learning rate 0.0001": {
            "training": slow_train,
            "validation": slow.val,
        },
        "overfits: learning rate 0.003": {
            "training": on_train,
            "validation": plain.val,
        },
    }
)
plt.show()
rise = plain.last - plain.best
best_epoch, rise_mean = plain.epochs.float().mean().item(), rise.mean().item()
measured = plain.best, plain.last, untrained, on_train[-1], slow_train[-1], slow.last
best_loss, last_loss, untrained_loss, fit_last, slow_fit, slow_loss = (
    losses.mean().item() for losses in measured
)
slow_gap = slow.val[-1].mean() - slow_fit
assert (on_train.mean(1).diff() < 0).all() and rise.min() > 0.1
assert (plain.best < untrained - 0.2).all() and best_epoch < 8
assert best_loss < last_loss - 0.2 < untrained_loss - 0.5
# Underfitting: poor on the training set itself; the gap is small and the model worse.
assert slow_fit > fit_last + 1 and slow_loss > best_loss + 0.2
assert slow_gap < (plain.val[-1].mean() - fit_last) / 2
assert (slow.last > plain.best + 0.2).all() and (slow.epochs == 12).all()

# %% name="early-stopping"
stopped = torch.tensor(
    [
        next(e for e in range(13) if e == 12 or e - losses[: e + 1].argmin() == 3)
        for losses in plain.val.T
    ]
)
(kept,) = curve(frozen, [pick(plain.saved, stopped)], test)
stop_epoch, stop_cost = stopped.float().mean().item(), (kept - plain.best).mean().item()
assert stop_cost > 0.03 and stop_epoch > best_epoch + 1
print(
    f"stopped after epoch {stop_epoch:.1f}; best {best_epoch:.1f}; cost {stop_cost:.3f}"
)

# %% name="repeated"
copies = torch.cat([train[:, :4].repeat(1, 8), train[:, 4:]], 1)
repeated = measure(train=copies)
d_copies = (repeated.best - plain.best).mean().item()
four = train[:, :4]
(once_seen,) = curve(frozen, [pick(plain.saved, plain.epochs)], four)
(eight_seen,) = curve(frozen, [pick(repeated.saved, repeated.epochs)], four)
single_loss, eight_loss = once_seen.mean().item(), eight_seen.mean().item()
assert len(copies[0]) == 60 and set(copies[0].tolist()) == set(train[0].tolist())
assert (repeated.best > plain.best).all() and d_copies > 0.05
assert (eight_seen < once_seen).all() and eight_loss < single_loss - 0.5
print(f"test loss {d_copies:+.2f} nats a token")
print(
    f"loss of the four: {single_loss:.2f} once each, {eight_loss:.2f} eight times each"
)

# %% name="contamination"
bench, fresh = test[:, :24], test[:, 24:]
extra = {"clean": pool[:, 32:56], "contaminated": bench}
both = {
    name: measure(train=torch.cat([train, part], 1)) for name, part in extra.items()
}
scores = pd.DataFrame(
    {
        name: {
            place: curve(frozen, [pick(run.saved, run.epochs)], part).mean().item()
            for place, part in {
                "benchmark": bench,
                "fresh": fresh,
                "validation": val,
            }.items()
        }
        for name, run in both.items()
    }
).T
clean, leaky = scores.loc["clean"], scores.loc["contaminated"]
leak = clean["benchmark"] - leaky["benchmark"]
assert leak > 0.2 and abs(clean["fresh"] - leaky["fresh"]) < 0.05
assert abs(clean["validation"] - leaky["validation"]) < 0.05
scores.round(2)

# %% name="rank" tags=["sweep"] flips="rank_flip"
by_rank = {
    rank: plain if rank == 8 else measure(rank=rank) for rank in (1, 8, 16, 32, 64)
}
sweep = pd.DataFrame(
    {
        rank: {
            "best epoch": run.best.mean().item(),
            "last epoch": run.last.mean().item(),
        }
        for rank, run in by_rank.items()
    }
).T.rename_axis("LoRA rank [dimensions]")
excess = (sweep["last epoch"] - untrained_loss).to_numpy()
rank_flip = float(np.exp2(np.interp(0, excess, np.log2(sweep.index))))
assert sweep["last epoch"].is_monotonic_increasing and 16 < rank_flip < 64
assert np.ptp(sweep["best epoch"]) < 0.08  # early stopping makes rank matter little
sweep["not fine-tuned"] = untrained_loss
sweep.add_suffix(" [nats per token]").round(2)

# %% name="remedies"
from scipy import stats

changes = {  # each differs from the plain run in one thing
    "dropout": {"drop": 0.3},
    "weight decay": {"decay": 1.0},
    "16 examples": {"train": pool[:, :16]},
    "96 examples": {"train": pool},
}
runs = {"plain": plain, "rank 1": by_rank[1]} | {
    name: measure(**change) for name, change in changes.items()
}
tests = {name: run.best for name, run in runs.items()}
members = [
    plain,
    measure(seed=1),
    measure(seed=2),
]  # the same data, other starts and orders
with torch.no_grad():
    votes = [log_p(frozen, pick(m.saved, m.epochs), test) for m in members]
    tests["ensemble of 3"] = loss(
        frozen, torch.stack(votes).logsumexp(0) - np.log(3), test
    )
assert [m.change for m in members] == [{}, {"seed": 1}, {"seed": 2}]
assert all(len(run.change) <= 1 for run in runs.values())

half = stats.t.ppf(0.975, SEEDS - 1) / SEEDS**0.5
changed = pd.DataFrame(
    {name: (run - plain.best).numpy() for name, run in tests.items()}
)
table = pd.DataFrame(
    {"change at the best epoch": changed.mean(), "± 95%": half * changed.std()}
)
table["rise by the last epoch"] = {
    name: (run.last - run.best).mean().item() for name, run in runs.items()
}
change, margin, rises = (table[column] for column in table)
d_more, d_fewer = change[["96 examples", "16 examples"]]
rise_rank, rise_more = rises[["rank 1", "96 examples"]]
others = ["rank 1", "dropout", "weight decay", "ensemble of 3"]
d_rank, d_drop, d_decay, d_vote = change[others]
d_others = max(abs(d_rank), abs(d_drop), abs(d_decay), abs(d_vote))
# Only the amount of data moves the best checkpoint by more than its interval.
assert d_more + margin["96 examples"] < 0 < d_fewer - margin["16 examples"]
assert d_others < min(0.02, stop_cost)
assert (change[others].abs() < margin[others]).all()
# A lower rank takes away the rise; dropout and decay leave most of it.
assert abs(rise_rank) < 0.03 < rise_more < 0.8 * rise_mean
assert rises[["dropout", "weight decay"]].between(0.8 * rise_mean, rise_mean).all()
table.drop("plain").map("{:+.3f}".format).replace("+nan", "")
