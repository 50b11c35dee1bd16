# ---
# jupyter:
#   qa:
#     seconds: 15
# ---

# %% [markdown]
# # 如何全面评估模型的效果？ · How do you evaluate a model thoroughly?
#
# SmolLM2-135M 的真实生成与对数似然：pass@k、选择题计分、配对检验、困惑度、裁判换序；再由错误的代价给一个不平衡的分类器定阈值。
#
# Real generations and log-likelihoods of SmolLM2-135M: pass@k, multiple choice, paired tests, perplexity, a judge in both orders; then the threshold of an imbalanced classifier from the cost of errors.

# %% name="sample-size" tags=["sweep"] flips="most_differ"
import numpy as np
import pandas as pd
from facts import fact
from scipy.stats import norm

z2 = (norm.ppf(0.975) + norm.ppf(0.8)) ** 2  # two-sided 5%, power 80%
answered = pd.Index([5, 10, 15, 20, 30, 40], name="answered differently [%]")
needed = {f"gain {g} points": z2 * (100 * answered - g**2) / g**2 for g in (1, 2, 5)}
sweep = pd.DataFrame(needed, index=answered).add_suffix(" [questions]")
size, gain = fact("gsm8k.test_questions"), 0.02
most_differ = 100 * gain**2 * (size / z2 + 1)
needed_1, needed_2, needed_5 = sweep.loc[10]

rng = np.random.default_rng(0)
differ = most_differ / 100
shares = [(differ + gain) / 2, (differ - gain) / 2, 1 - differ]
won, lost, _ = rng.multinomial(size, shares, size=20000).T
power = np.mean((won - lost) / np.sqrt(won + lost) > 1.96)  # McNemar's test
assert abs(power - 0.8) < 0.02 and answered[0] < most_differ < answered[1]
assert sweep.iloc[0, 1] < size < sweep.iloc[1, 1]
assert needed_1 > 3.9 * needed_2 and needed_2 > 6 * needed_5
assert np.isclose(np.interp(most_differ, answered, sweep.iloc[:, 1]), size)
sweep.round().astype(int)

# %% name="guard"
import sklearn.metrics as skm
from traffic import cheapest, compared, cost, draw_calibration, requests, scored

rng = np.random.default_rng(0)
train, (x_val, y_val), (x_test, y) = (requests(rng, n) for n in (5000, 20000, 20000))
on_train, val, test = scored(train, train, (x_val, y_val), (x_test, y))
n, positives = len(y), int(y.sum())
resampled = rng.multinomial(n, np.full(n, 1 / n), size=200)
assert (resampled.sum(axis=1) == n).all()
guard = compared(y, test, resampled)
accuracy, roc_auc, pr_auc, log_loss = guard.to_numpy()
# log loss is worse where it is greater
assert min(accuracy[2], pr_auc[2], log_loss[2]) > 0 > roc_auc[3]
always_allow, best_accuracy = 1 - positives / n, accuracy[1]
assert 0 < best_accuracy - always_allow < 0.005 and 600 < positives < 650
assert np.isclose(roc_auc[0], skm.roc_auc_score(y, test["logistic"]))
assert np.isclose(pr_auc[1], skm.average_precision_score(y, test["trees"]))
guard.round(3)

# %% name="calibration"
logistic_off, trees_off = draw_calibration(y, test)
most_off, least_off = logistic_off.max(), trees_off.min()
assert 1 < logistic_off.min() and most_off < 3 and least_off > 50

# %% name="cost"
rows = {}
for miss in (2, 40):
    spent = {}
    for name, score in test.items():
        thresholds = 0.5, 1 / (1 + miss), cheapest(y_val, val[name], miss)
        half, formula, tuned = (cost(y, score >= t, miss) for t in thresholds)
        spent[name] = tuned
        hindsight = cost(y, score >= cheapest(y, score, miss), miss)
        assert tuned.mean() > hindsight.mean()  # the test set has not been looked at
        rows[f"{name}, a miss costs {miss}"] = [
            c.mean() for c in (half, formula, tuned)
        ]
    difference = resampled @ (spent["trees"] - spent["logistic"]) / n
    low, high = np.quantile(difference, (0.025, 0.975))
    assert high < 0 if miss == 2 else low > 0
columns = ["threshold 0.5", "by the formula", "tuned"]
costs = pd.DataFrame(rows, index=columns).T
half, formula, tuned = costs.loc["logistic, a miss costs 40"]
_, formula_trees, tuned_trees = costs.loc["trees, a miss costs 40"]
assert tuned < 0.5 * half and formula < 1.05 * tuned
assert formula_trees > 1.6 * tuned_trees
costs.round().astype(int)

# %% name="confusion"
counts = {
    t: skm.confusion_matrix(y, test["logistic"] >= limit)
    for t, limit in (("0.5", 0.5), ("tuned", cheapest(y_val, val["logistic"], 40)))
}
caught_half, caught, needless = counts["0.5"][1, 1], *counts["tuned"][::-1, 1]
assert caught > 10 * caught_half and needless > 10 * caught
table = pd.DataFrame(np.hstack([*counts.values()]), index=["harmless", "abusive"])
table.columns = [f"{t}: {what}" for t in counts for what in ("allowed", "reviewed")]
table

# %% name="labels"
auc_scores, auc_labels = roc_auc[0], skm.roc_auc_score(y, test["logistic"] >= 0.5)
train_pr = skm.average_precision_score(train[1], on_train["trees"])
balanced = skm.balanced_accuracy_score(y, test["logistic"] >= 0.5)
assert np.isclose(auc_labels, balanced) and auc_labels < 0.6 < 0.8 < auc_scores
assert pr_auc[1] < 0.3 < 0.99 < train_pr
print(f"ROC AUC from scores {auc_scores:.2f}, from labels {auc_labels:.2f}")
print(f"PR AUC of the trees: training set {train_pr:.2f}, test set {pr_auc[1]:.2f}")

# %% name="perplexity"
import json

from harness import loglikelihoods, nats
from language_model import Engine, load_model, load_tokenizer

tokenizer, model = load_tokenizer(), load_model()
rows = {}
for language, text in json.load(open("texts.json")).items():
    tokens, total = nats(model, tokenizer, text)
    bits = total / np.log(2)
    rows[language] = tokens, np.exp(total / tokens), bits, bits / len(text.encode())
columns = ["tokens", "perplexity", "bits", "bits per byte"]
by_text = pd.DataFrame(rows, index=columns).T
tokens_en, ppl_en, bits_en, per_byte_en = by_text.loc["English"]
tokens_zh, ppl_zh, bits_zh, per_byte_zh = by_text.loc["Chinese"]
assert ppl_zh < 0.7 * ppl_en and tokens_zh > 2 * tokens_en
assert 1.5 * bits_en < bits_zh < 2.5 * bits_en
assert 2 * per_byte_en < per_byte_zh < 3 * per_byte_en
by_text.round(1)

# %% name="judge"
questions = json.load(open("questions.json"))
rows = {}
for name, (x, y) in {"A first": "AB", "B first": "BA"}.items():
    template = f"Question: {{}}\n{x}. {{}}\n{y}. {{}}\nAnswer:"
    pairs = [(q, a, b) for q, (a, b, *_) in questions[:5]]
    both = [template.format(q, *p) for q, a, b in pairs for p in ((a, b), (b, a))]
    shown = zip(np.repeat(pairs, 2, axis=0), both)
    assert len(set(both)) == 10 and all(q in p for (q, _, _), p in shown)
    labels = [f" {x}", f" {y}"]
    of_x, of_y = loglikelihoods(model, tokenizer, [(p, labels) for p in both]).T
    takes_first = (of_x > of_y).reshape(-1, 2)  # the right answer first, then second
    ahead, behind = takes_first[:, 0].mean(), 1 - takes_first[:, 1].mean()
    rows[name] = ahead, behind, np.mean(takes_first[:, 0] == takes_first[:, 1])
by_order = 100 * pd.DataFrame(rows, index=["shown first", "shown second", "flips"]).T
ahead, behind, flips = by_order.loc["A first"]
bare = [(f"Question: {q}\nAnswer:", [f" {a}", f" {b}"]) for q, a, b in pairs]
of_right, of_wrong = loglikelihoods(model, tokenizer, bare).T
knew = int((of_right > of_wrong).sum())
assert knew == len(pairs)  # without labels
assert (ahead, behind, flips) == (100, 0, 100)
assert tuple(by_order.loc["B first"]) == (0, 100, 100)  # it says A wherever A stands
by_order.rename_axis("prompt").add_suffix(" [%]").round().astype(int)

# %% name="generate"
import httpx
from arithmetic import EXAMPLES, answers, echo, problems, voted

SAMPLES, (asked, key) = 16, zip(*problems(16))
with Engine(slots=SAMPLES) as engine, httpx.Client(base_url=engine.address) as http:
    told = [
        (
            answers(engine, q, 1, 0, temperature=0),
            answers(engine, q, SAMPLES, i, temperature=1),
        )
        for i, q in enumerate(asked)
    ]
    echoed, control = (
        echo(http, EXAMPLES + asked[0] + key[0], on) for on in (True, False)
    )
greedy, drawn = [texts[0] for texts, _ in told], [samples for _, samples in told]
right = np.array(drawn) == np.array(key)[:, None]
sums, verdicts_drawn = len(asked), right.size
assert verdicts_drawn == SAMPLES * sums and len(set(drawn[0])) > 5
print(f"{asked[0]}{key[0]}: {drawn[0]}")

# %% name="pass-at-k"
from scipy.special import comb

correct, ks = right.sum(axis=1)[:, None], np.array([1, 4, 8, 16])
estimates = {
    "any of k [%]": 1 - comb(SAMPLES - correct, ks) / comb(SAMPLES, ks),
    "plugged in [%]": 1 - (1 - correct / SAMPLES) ** ks,
    "all of k [%]": comb(correct, ks) / comb(SAMPLES, ks),
}
by_k = pd.DataFrame({e: 100 * each.mean(axis=0) for e, each in estimates.items()}, ks)
any_of, plugged_in, all_of = by_k.T.to_numpy()
pass_1, pass_16, all_16 = any_of[0], any_of[-1], all_of[-1]
too_low = pass_16 - plugged_in[-1]
assert np.allclose(by_k.loc[1], 100 * right.mean())
assert pass_16 == 100 * right.any(axis=1).mean() and all_16 == 100 * right.all(1).mean()
assert 3 < too_low < 5 and 2 * all_16 < pass_1 < 0.6 * pass_16
by_k.rename_axis("k").round(1)

# %% name="best-of"
majority = [voted(samples) for samples in drawn]
assert greedy != majority  # not the same answers
picks = {
    "one at random": right.mean(axis=1),
    "greedy": np.equal(greedy, key),
    "majority": np.equal(majority, key),
    "checker": right.any(axis=1),
}
by_pick = 100 * pd.DataFrame(picks).mean()
at_random, by_greedy, by_vote, by_checker = by_pick
assert at_random < by_greedy == by_vote < by_checker - 15
by_pick.rename_axis("picks the answer").to_frame("right [%]").round(1)

# %% name="clusters"
naive = 100 * right.std(ddof=1) / np.sqrt(right.size)
clustered = 100 * right.mean(axis=1).std(ddof=1) / np.sqrt(len(asked))
times = clustered / naive
assert 3 < times < 4  # 4 if all samples of a question agreed
print(f"standard error in points: {naive:.1f} naive, {clustered:.1f} by question")

# %% name="echo"
logprobs, without = (e["choices"][0]["logprobs"] for e in (echoed, control))
entries = logprobs["content"]
prompt_tokens = echoed["usage"]["prompt_tokens"]
of_answer = entries[prompt_tokens - 2 : -1]
assert len(entries) == len(without["content"]) == 1 < prompt_tokens and not of_answer
assert "token_logprobs" not in logprobs  # the name under which lm-eval 0.4.13 looks
print(f"{prompt_tokens} tokens in the prompt, {len(entries)} log-probability")

# %% name="multiple-choice"
verdicts = pd.DataFrame()
for name, template in ("labelled", "Question: {}\nAnswer:"), ("bare", "{}"):
    put = [(template.format(q), [f" {c}" for c in choices]) for q, choices in questions]
    scores = loglikelihoods(model, tokenizer, put)
    lengths = [[len(choice) for choice in choices] for _, choices in questions]
    # the first choice is the right one
    verdicts[f"{name}, acc"] = np.argmax(scores, axis=1) == 0
    verdicts[f"{name}, acc_norm"] = np.argmax(scores / lengths, axis=1) == 0
alone = loglikelihoods(model, tokenizer, [(put[-1][0], put[-1][1][3:])])
assert np.allclose(scores[-1, 3], alone, atol=1e-3)  # no text sees another
by_template = 100 * verdicts.mean()
acc, acc_norm, bare_acc, bare_norm = by_template
changed = int((verdicts["labelled, acc"] != verdicts["labelled, acc_norm"]).sum())
assert acc == acc_norm and changed >= len(questions) / 2
assert bare_norm < bare_acc < acc and acc_norm - bare_norm > 20
by_template.rename_axis("prompt, metric").to_frame("right [%]").round(1)

# %% name="paired"
from scipy.stats import binomtest

first, second = verdicts["labelled, acc_norm"], verdicts["bare, acc_norm"]
won, lost = int((first & ~second).sum()), int((second & ~first).sum())
p_value = binomtest(won, won + lost).pvalue  # McNemar's test, exact
difference = 100 * (first.astype(int) - second.astype(int))
gap, many = difference.mean(), len(difference)
apart = 1.96 * 100 * np.sqrt((first.var() + second.var()) / many)
together = 1.96 * difference.std() / np.sqrt(many)
assert lost == 0 < won and together < gap < apart
p, q = first.mean(), second.mean()
spread = (won + lost) / many - (p - q) ** 2
assert np.isclose(together, 196 * np.sqrt(spread / (many - 1)))
assert np.isclose(apart, 196 * np.sqrt((p * (1 - p) + q * (1 - q)) / (many - 1)))
assert np.isclose(p_value, 2 * 0.5**won) and p_value < 0.05  # two-sided
intervals = {
    name: [gap - e, gap + e]
    for name, e in [("two samples", apart), ("paired", together)]
}
pd.DataFrame(intervals, index=["95% from [points]", "to [points]"]).T.round(1)
