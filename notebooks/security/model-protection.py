# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何保护模型本身不被窃取和篡改？ · How do you protect the model itself from theft and tampering?
# 给权重签名、加密，拒绝会执行代码的 pickle；再量一量从 API 偷模型要多少次查询，以及水印能证明什么。
# Sign and encrypt weights, refuse a pickle that runs code; then measure what it takes to steal a model through its API, and what a watermark proves.

# %% name="setup"
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import attacks
import matplotlib.pyplot as plt
import nets
import numpy as np
import pandas as pd
import release
import torch
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nets import Nets, answers, blend, one_hot, train
from picklescan.scanner import scan_file_path
from safetensors.torch import save_file
from scipy.stats import binom

torch.manual_seed(0)
torch.set_num_threads(1)

# %% name="sign"
# The private key stays with the signer; serving hosts hold only key.public_key().
key = Ed25519PrivateKey.generate()
for version in (1, 2):
    folder = Path(f"v{version}")
    folder.mkdir()
    for shard in ("model-1.safetensors", "model-2.safetensors"):
        save_file({"weight": torch.randn(256, 256)}, folder / shard)
    release.sign(folder, "chat-7b", version, key)
print((Path("v2") / "manifest.json").read_text())


# %% name="verify"
def verdict(check: Callable, *arguments) -> str:
    try:
        check(*arguments)
    except release.Refused as reason:
        return f"refused: {reason}"
    return "accepted"


rows = {}
for attack in attacks.ALL:
    received = Path(shutil.copytree("v2", "received"))
    attack(received)
    signed = verdict(release.verify, received, "chat-7b", 2, key.public_key())
    rows[attack.__name__] = (verdict(release.check_list, received), signed)
    shutil.rmtree(received)
columns = ["checksum list", "signed manifest"]
checks = pd.DataFrame(rows.values(), index=rows, columns=columns)
kinds = len(attacks.ALL) - 1  # the first leaves the release untouched
missed_by_list = int((checks["checksum list"] == "accepted").sum()) - 1
refused_by_signature = int((checks["signed manifest"] != "accepted").sum())
assert list(checks.loc["untouched"]) == ["accepted", "accepted"]
assert refused_by_signature == kinds == 5 and missed_by_list == 3
checks

# %% name="encrypt"
# In production `master` never leaves the KMS.
master, context = bytes(range(32)), b"chat-7b/2/weights.bin"
plain, sealed, opened = Path("weights.bin"), Path("weights.sealed"), Path("weights.out")
plain.write_bytes(np.random.default_rng(0).bytes((5 << 20) + 123))
release.encrypt(plain, sealed, master, context)
release.decrypt(sealed, opened, master, context)
assert opened.read_bytes() == plain.read_bytes()
added_bytes = sealed.stat().st_size - plain.stat().st_size

for case, (data, claimed) in attacks.damage(sealed.read_bytes(), context).items():
    sealed.write_bytes(data)
    try:
        release.decrypt(sealed, opened, master, claimed)
    except InvalidTag:
        print(f"{case}: refused")
    else:
        raise AssertionError(case)

# %% name="speed" tags=["volatile"]
size = 64 << 20  # bytes
plain.write_bytes(bytes(size))
release.encrypt(plain, sealed, master, context)
start = time.perf_counter()
release.decrypt(sealed, opened, master, context)
decrypt_rate = size / (time.perf_counter() - start) / 1e9  # GB/s, disk included
minutes_140_gb = 140 / decrypt_rate / 60
print(f"one core decrypts {decrypt_rate:.2f} GB/s: {minutes_140_gb:.1f} min for 140 GB")

# %% name="pickle"
marker = Path("code-ran.txt")


class Payload:
    def __init__(self, function: Callable, argument: str):
        self.call = function, (argument,)

    def __reduce__(self):  # a pickle may name any importable function; loading calls it
        return self.call


def leave_marker(text: str) -> int:
    return marker.write_text(text)


contents = {
    "clean.pt": {},
    "eval.pt": {"x": Payload(eval, "open('code-ran.txt', 'w').close()")},
    "other-function.pt": {"x": Payload(leave_marker, "ran")},
}
for file, extra in contents.items():
    torch.save({"weight": torch.ones(4)} | extra, file)


# %% name="scan"
def load(file: str, weights_only: bool) -> str:
    marker.unlink(missing_ok=True)
    try:
        torch.load(file, weights_only=weights_only)
    except pickle.UnpicklingError:
        return "refused"
    return "code ran" if marker.exists() else "loaded"


scans = pd.DataFrame(index=contents)
scans["picklescan"] = [scan_file_path(f).issues_count for f in contents]
scans["picklescan --strict"] = [
    scan_file_path(f, strict=True).issues_count for f in contents
]
scans["weights_only=False"] = [load(f, False) for f in contents]
scans["weights_only=True"] = [load(f, True) for f in contents]
assert scans.iloc[:, :2].T.values.tolist() == [[0, 1, 0], [0, 1, 1]]
assert list(scans["weights_only=False"]) == ["loaded", "code ran", "code ran"]
assert list(scans["weights_only=True"]) == ["loaded", "refused", "refused"]
scans

# %% name="safetensors"
try:
    save_file({"x": Payload(eval, "1")}, "x.safetensors")
except ValueError as error:
    print("safetensors:", str(error).partition("but")[0])
else:
    raise AssertionError("safetensors stored something other than a tensor")

# %% name="victim"
# Images of the victim, of somebody else, and of nobody.
(x_own, y_own), (x_other, y_other), (x_test, y_test) = nets.digits()

# The watermark: images of noise, with labels drawn by lot.
triggers, secret = torch.rand(40, 64), torch.randint(10, (40,))
x_marked = torch.cat([x_own, triggers.repeat(3, 1)])
y_marked = torch.cat([y_own, secret.repeat(3)])
victim = train(Nets(1), x_marked, one_hot(y_marked))
# Twenty models of someone who never saw the victim.
honest = train(Nets(20), *blend(x_other, y_other, 3200))
accuracy = float((answers(victim, x_test) == y_test).float().mean())
honest_accuracy = float((answers(honest, x_test) == y_test).float().mean())
assert accuracy > 0.9 and honest_accuracy > 0.9
print(f"test accuracy: victim {accuracy:.1%}, independent models {honest_accuracy:.1%}")

# %% name="extract"
hard, _ = blend(x_test, y_test, 2000)  # between two digits, where models differ


def agreement(suspect: Nets) -> torch.Tensor:
    return (answers(suspect, hard) == answers(victim, hard)).double().mean(1)


budgets = (50, 200, 800, 3200)
LABEL, ROUNDED, FULL = "label only", "rounded to 0.1", "full log-probabilities"
modes = (LABEL, ROUNDED, FULL)
curves = pd.DataFrame(index=budgets, columns=modes, dtype=float)
thieves = {}
for mode in modes:
    loss = nets.match_logits if mode == FULL else nets.cross_entropy
    for n in budgets:
        # Four thieves with n images each; the true labels are not used.
        queries = torch.stack([blend(x_other, y_other, n)[0] for _ in range(4)])
        replies = nets.api(victim, queries, mode)
        thieves[mode, n] = train(Nets(4), queries, replies, loss)
        curves.loc[n, mode] = float(agreement(thieves[mode, n]).mean())

budgets_max = max(budgets)
honest_mean = float(agreement(honest).mean())
honest_best = float(agreement(honest).max())
label_50, label_3200 = curves.loc[50, LABEL], curves.loc[3200, LABEL]
full_50, full_3200 = curves.loc[50, FULL], curves.loc[3200, FULL]
assert full_50 > label_50 + 0.1
assert label_3200 > honest_best + 0.02 and full_3200 > honest_best + 0.04

# %% name="curves" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for mode, style in zip(modes, ("o-", "s-", "^-")):
    ax.semilogx(budgets, curves[mode] * 100, style, label=mode)
ax.axhline(honest_mean * 100, linestyle="--", color="C3", label="independent models")
ax.set_xticks(budgets, budgets)
ax.set(xlabel="queries to the API", ylabel="agreement with the victim (%)")
ax.minorticks_off()
ax.legend()
plt.show()

# %% name="rate-limit"
goal, quota = 0.92, 100  # agreement to reach; queries per account and day
needed = [np.exp(np.interp(goal, curves[mode], np.log(budgets))) for mode in modes]
price = pd.DataFrame({"queries": needed}, index=modes)
price["days, 1 account"] = price["queries"] / quota
price["days, 50 accounts"] = price["queries"] / quota / 50
label_factor = price.at[LABEL, "queries"] / price.at[FULL, "queries"]
days_one = price.at[LABEL, "days, 1 account"]
hours_fifty = price.at[LABEL, "days, 50 accounts"] * 24
assert label_factor > 3
price.round({"queries": 0, "days, 1 account": 1, "days, 50 accounts": 2})

# %% name="ownership"
tuned = Nets(1)
tuned.load_state_dict(victim.state_dict())
# The thief fine-tunes the stolen file on images of his own.
train(tuned, x_other, one_hot(y_other), steps=200, rate=2e-3)

# The fewest matches that luck reaches with probability alpha at most.
alpha, trials = 1e-6, len(triggers)
threshold = int(binom.isf(alpha, trials, 0.1)) + 1
assert binom.sf(threshold - 1, trials, 0.1) <= alpha

suspects = {
    "stolen file": victim,
    "stolen, fine-tuned": tuned,
    "distilled, labels": thieves[LABEL, budgets_max],
    "distilled, log-probabilities": thieves[FULL, budgets_max],
    "independent (20)": honest,
}
proof = pd.DataFrame(index=suspects)
matches = [(answers(s, triggers) == secret).sum(1) for s in suspects.values()]
proof["most matches"] = [int(m.max()) for m in matches]
proof["p-value"] = binom.sf(proof["most matches"] - 1, trials, 0.1)
proof["least agreement"] = [float(agreement(s).min()) for s in suspects.values()]
proof["most agreement"] = [float(agreement(s).max()) for s in suspects.values()]
shown = {"p-value": "{:.0e}", "least agreement": "{:.1%}", "most agreement": "{:.1%}"}
proof.assign(**{c: proof[c].map(style.format) for c, style in shown.items()})

# %% name="evidence"
matches_stolen, matches_tuned, matches_labels, matches_full, matches_honest = (
    int(m) for m in proof["most matches"]
)
assert min(matches_stolen, matches_tuned) > threshold
assert max(matches_labels, matches_honest) < threshold
# Every thief agrees with the victim more than every independent model does.
assert proof["least agreement"].iloc[:4].min() > honest_best + 0.02

# %% name="false-positives"
guesses = answers(honest, triggers)  # (20, 40)
lots = torch.randint(10, (20_000, 1, trials))  # watermarks that might have been drawn
lucky_ten = float(((guesses == lots).sum(-1) >= 10).double().mean())
expected_ten = float(binom.sf(9, trials, 0.1))
# Instead of a lot, the same label c for every trigger.
passed = [(guesses == c).sum(1) >= threshold for c in range(10)]
one_class = [float(p.double().mean()) for p in passed]
accused, accused_class = max(one_class), int(np.argmax(one_class))
assert abs(lucky_ten - expected_ten) < 0.002 and accused > 0.3
print(f"10 or more of {trials} by luck: {lucky_ten:.2%}, expected {expected_ten:.2%}")
print(f"all labelled {accused_class}: {accused:.0%} of independent models accused")

# %% name="logit-rank"
vocabulary, hidden, prompts = 500, 48, 160
log_p, last_layer = nets.language_model(vocabulary, hidden, prompts)
spectra, gaps, ranks = {}, {}, {}
for name, decimals in (("full", 12), ("rounded to 0.01", 2), ("rounded to 0.1", 1)):
    seen = log_p.round(decimals=decimals)
    # Centring removes the constant that the softmax subtracted.
    s = torch.linalg.svdvals(seen - seen.mean(1, keepdim=True))
    drop = s[:-1] / s[1:]
    spectra[name], gaps[name] = s, float(drop[hidden - 1])
    ranks[name] = int(drop[:100].argmax()) + 1  # the widest gap
gap_full, gap_rounded = gaps["full"], gaps["rounded to 0.1"]
assert set(ranks.values()) == {hidden} and gap_rounded > 3
print(ranks)

# %% name="last-layer"
answered = log_p - log_p.mean(1, keepdim=True)
basis = torch.linalg.svd(answered, full_matrices=False).Vh[:hidden]
# Known only to the owner: (hidden, vocabulary).
weights = (last_layer - last_layer.mean(0)).T
unexplained = float((weights - weights @ basis.T @ basis).norm() / weights.norm())
assert unexplained < 1e-3  # the last layer is known up to a 48 x 48 matrix
print(f"part of the last layer outside the recovered space: {unexplained:.0e}")

# %% name="spectrum" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (name, s), style in zip(spectra.items(), ("o", "s", "^")):
    ax.semilogy(range(1, 101), s[:100], style, markersize=3, label=name)
ax.axvline(hidden + 0.5, linestyle="--", color="C3", label=f"hidden size {hidden}")
ax.set(xlabel="index of the singular value", ylabel="singular value of the answers")
ax.legend()
plt.show()
