# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何保护模型本身不被窃取和篡改？ · How do you protect the model itself from theft and tampering?
# 给权重签名、加密，拒绝会执行代码的 pickle；再量一量从 API 偷模型要多少次查询，以及水印能证明什么。
# Sign and encrypt weights, refuse a pickle that runs code; then measure what it takes to steal a model through its API, and what a watermark proves.

# %% name="sign"
import json
import pickle
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import attacks
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import release
import torch
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from nets import (
    Nets,
    answers,
    api,
    blend,
    cross_entropy,
    digits,
    match_logits,
    one_hot,
    train,
)
from picklescan.scanner import scan_file_path
from safetensors.torch import save_file
from scipy.stats import binom
from torch import nn

torch.manual_seed(0)
torch.set_num_threads(1)
key = (
    Ed25519PrivateKey.generate()
)  # stays with the signer; the serving hosts hold only key.public_key()
for version in (1, 2):
    folder = Path(f"v{version}")
    folder.mkdir()
    for shard in ("model-1.safetensors", "model-2.safetensors"):
        save_file({"weight": torch.randn(256, 256)}, folder / shard)
    release.sign(folder, "chat-7b", version, key)
print((Path("v2") / "manifest.json").read_text())


# %% name="verify"
def checksum_list(
    d: Path,
) -> str:  # what `sha256sum --check` does with a list that lies beside the weights
    listed, found = (
        json.loads((d / "manifest.json").read_text())["files"],
        release.digests(d),
    )
    return (
        "accepted"
        if all(found.get(path) == digest for path, digest in listed.items())
        else "refused"
    )


def signed_manifest(d: Path) -> str:
    try:
        release.verify(d, "chat-7b", newest_seen=2, key=key.public_key())
    except release.Refused as reason:
        return f"refused: {reason}"
    return "accepted"


rows = {}
for attack in (None, *attacks.ALL):
    received = Path(shutil.copytree("v2", "received"))
    if attack:
        attack(received)
    rows[attack.__name__ if attack else "untouched"] = (
        checksum_list(received),
        signed_manifest(received),
    )
    shutil.rmtree(received)
checks = pd.DataFrame(
    rows.values(), index=rows, columns=["checksum list", "signed manifest"]
)
missed_by_list = int((checks["checksum list"].iloc[1:] == "accepted").sum())
refused_by_signature = int(checks["signed manifest"].str.startswith("refused").sum())
assert checks.loc[
    "untouched", "signed manifest"
] == "accepted" and refused_by_signature == len(attacks.ALL)
assert missed_by_list == 3
checks

# %% name="encrypt"
master, context = (
    bytes(range(32)),
    b"chat-7b/2/weights.bin",
)  # in production `master` never leaves the KMS
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
decrypt_rate = (
    size / (time.perf_counter() - start) / 1e9
)  # GB/s on one core, disk included
minutes_140_gb = 140 / decrypt_rate / 60
print(
    f"decryption {decrypt_rate:.2f} GB/s on one core: {minutes_140_gb:.1f} min for 140 GB"
)

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


scans = pd.DataFrame(
    {
        file: {
            "picklescan": scan_file_path(file).issues_count,
            "picklescan --strict": scan_file_path(file, strict=True).issues_count,
            "weights_only=False": load(file, False),
            "weights_only=True": load(file, True),
        }
        for file in contents
    }
).T
try:
    save_file({"x": Payload(eval, "1")}, "x.safetensors")
except ValueError as error:
    print("safetensors:", str(error).partition("but")[0])
else:
    raise AssertionError("safetensors stored something other than a tensor")
assert list(scans["picklescan"]) == [0, 1, 0] and list(
    scans["picklescan --strict"]
) == [0, 1, 1]
assert list(scans["weights_only=False"]) == ["loaded", "code ran", "code ran"]
assert list(scans["weights_only=True"]) == ["loaded", "refused", "refused"]
scans

# %% name="victim"
(x_own, y_own), (x_other, y_other), (x_test, y_test) = (
    digits()
)  # the victim's, somebody else's, nobody's

triggers, secret = (
    torch.rand(40, 64),
    torch.randint(10, (40,)),
)  # noise images with labels drawn by lot: the watermark
victim = train(
    Nets(1),
    torch.cat([x_own, triggers.repeat(3, 1)]),
    one_hot(torch.cat([y_own, secret.repeat(3)])),
)
honest = train(
    Nets(20), *blend(x_other, y_other, 3200)
)  # 20 models of someone who never saw the victim
accuracy, honest_accuracy = (
    float((answers(nets, x_test) == y_test).float().mean()) for nets in (victim, honest)
)
assert accuracy > 0.9 and honest_accuracy > 0.9
print(f"test accuracy: victim {accuracy:.1%}, independent models {honest_accuracy:.1%}")

# %% name="extract"
hard, _ = blend(x_test, y_test, 2000)  # between two digits, where models differ


def agreement(nets: Nets) -> torch.Tensor:
    return (answers(nets, hard) == answers(victim, hard)).double().mean(1)


budgets, modes = (
    (50, 200, 800, 3200),
    ("label only", "rounded to 0.1", "full log-probabilities"),
)
curves = pd.DataFrame(
    index=pd.Index(budgets, name="queries"), columns=modes, dtype=float
)
thieves = {}
for mode in modes:
    loss = match_logits if mode == modes[2] else cross_entropy
    for n in budgets:
        queries = torch.stack(
            [blend(x_other, y_other, n)[0] for _ in range(4)]
        )  # four thieves; the labels are not used
        thieves[mode, n] = train(Nets(4), queries, api(victim, queries, mode), loss)
        curves.loc[n, mode] = float(agreement(thieves[mode, n]).mean())
budgets_max = max(budgets)
honest_mean, honest_best = (
    float(agreement(honest).mean()),
    float(agreement(honest).max()),
)
label_50, label_3200 = curves.loc[50, "label only"], curves.loc[3200, "label only"]
full_50, full_3200 = curves.loc[50, modes[2]], curves.loc[3200, modes[2]]
assert (
    full_50 > label_50 + 0.1
    and label_3200 > honest_best + 0.02
    and full_3200 > honest_best + 0.04
)

# %% name="curves" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for mode, style in zip(modes, ("o-", "s-", "^-")):
    ax.semilogx(budgets, curves[mode] * 100, style, label=mode)
ax.axhline(honest_mean * 100, linestyle="--", color="C3", label="independent models")
ax.set(
    xlabel="queries to the API",
    ylabel="agreement with the victim (%)",
    xticks=budgets,
    xticklabels=budgets,
)
ax.minorticks_off()
ax.legend()
plt.show()

# %% name="rate-limit"
goal, quota = 0.92, 100  # agreement to reach; queries per account and day
needed = [np.exp(np.interp(goal, curves[mode], np.log(budgets))) for mode in modes]
price = pd.DataFrame({"queries": needed}, index=modes)
price["days, 1 account"] = price["queries"] / quota
price["days, 50 accounts"] = price["queries"] / quota / 50
queries_label, queries_full = price["queries"].iloc[0], price["queries"].iloc[2]
label_factor = queries_label / queries_full
days_one, hours_fifty = price.iloc[0, 1], price.iloc[0, 2] * 24
assert label_factor > 3
price.round({"queries": 0, "days, 1 account": 1, "days, 50 accounts": 2})

# %% name="ownership"
tuned = Nets(1)
tuned.load_state_dict(victim.state_dict())
train(
    tuned, x_other, one_hot(y_other), steps=200, rate=2e-3
)  # the thief fine-tunes the stolen file

alpha, trials = 1e-6, len(triggers)
threshold = (
    int(binom.isf(alpha, trials, 0.1)) + 1
)  # fewest matches with P(matches >= threshold) <= alpha by luck
suspects = {
    "stolen file": victim,
    "stolen, fine-tuned": tuned,
    "distilled, labels": thieves["label only", 3200],
    "distilled, log-probabilities": thieves[modes[2], 3200],
    "independent (20)": honest,
}
proof = pd.DataFrame(
    index=suspects, columns=["trigger matches", "p-value", "agreement"]
)
for name, nets in suspects.items():
    matches = (answers(nets, triggers) == secret).sum(1)
    proof.loc[name] = (
        int(matches.max()),
        float(binom.sf(int(matches.max()) - 1, trials, 0.1)),
        float(agreement(nets).min()),
    )
proof.loc["independent (20)", "agreement"] = (
    honest_best  # the largest: what a thief must exceed to stand out
)
matches_stolen, matches_tuned, matches_labels, matches_full, matches_honest = (
    int(m) for m in proof["trigger matches"]
)
assert binom.sf(threshold - 1, trials, 0.1) <= alpha
assert (
    min(matches_stolen, matches_tuned) > threshold > max(matches_labels, matches_honest)
)
assert proof["agreement"].iloc[:4].min() > honest_best + 0.02
proof.assign(
    **{
        "p-value": proof["p-value"].map("{:.0e}".format),
        "agreement": proof["agreement"].map("{:.1%}".format),
    }
)

# %% name="false-positives"
guesses = answers(honest, triggers)  # (20, 40)
lots = torch.randint(
    10, (20_000, 1, trials)
)  # 20 000 watermarks that might have been drawn
lucky_ten = float(((guesses == lots).sum(-1) >= 10).double().mean())
expected_ten = float(binom.sf(9, trials, 0.1))
one_class = [
    float(((guesses == c).sum(1) >= threshold).double().mean()) for c in range(10)
]  # every trigger labelled c
accused, accused_class = max(one_class), int(np.argmax(one_class))
assert abs(lucky_ten - expected_ten) < 0.002 and accused > 0.3
print(
    f"10 or more of {trials} by luck: {lucky_ten:.2%} measured, {expected_ten:.2%} by the binomial law"
)
print(
    f"all triggers labelled {accused_class}: {accused:.0%} of the independent models pass the 1e-6 threshold"
)

# %% name="logit-rank"
vocabulary, hidden, prompts = 500, 48, 160
embed = nn.Embedding(vocabulary, hidden)
block = nn.TransformerEncoderLayer(
    hidden, 4, 96, dropout=0, batch_first=True, norm_first=True
)
norm, head = nn.RMSNorm(hidden), nn.Linear(hidden, vocabulary, bias=False)
with torch.no_grad():
    log_p = (
        head(norm(block(embed(torch.randint(vocabulary, (prompts, 12))))[:, -1]))
        .log_softmax(-1)
        .double()
    )

spectra = {}
for name, decimals in (("full", 12), ("rounded to 0.01", 2), ("rounded to 0.1", 1)):
    seen = log_p.round(decimals=decimals)
    spectra[name] = torch.linalg.svdvals(
        seen - seen.mean(1, keepdim=True)
    )  # centring removes the softmax's constant
ranks = {
    name: int((s[:-1] / s[1:])[:100].argmax()) + 1 for name, s in spectra.items()
}  # the widest gap
gap_rounded = float(
    spectra["rounded to 0.1"][hidden - 1] / spectra["rounded to 0.1"][hidden]
)
full_gap = float(spectra["full"][hidden - 1] / spectra["full"][hidden])
assert set(ranks.values()) == {hidden} and gap_rounded > 3

_, _, directions = torch.linalg.svd(
    log_p - log_p.mean(1, keepdim=True), full_matrices=False
)
weights = (
    (head.weight - head.weight.mean(0)).detach().double().T
)  # (hidden, vocabulary), known only to the owner
unexplained = float(
    (weights - weights @ directions[:hidden].T @ directions[:hidden]).norm()
    / weights.norm()
)
assert (
    unexplained < 1e-3
)  # the answers span the last layer: it is known up to a 48 x 48 matrix
print(ranks, f"part of the last layer outside the recovered space: {unexplained:.0e}")

# %% name="spectrum" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
for (name, s), style in zip(spectra.items(), ("o", "s", "^")):
    ax.semilogy(range(1, 101), s[:100], style, markersize=3, label=name)
ax.axvline(hidden + 0.5, linestyle="--", color="C3", label=f"hidden size {hidden}")
ax.set(xlabel="index of the singular value", ylabel="singular value of the answers")
ax.legend()
plt.show()
