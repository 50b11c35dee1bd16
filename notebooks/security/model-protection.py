# ---
# jupyter:
#   qa:
#     seconds: 30
# ---

# %% [markdown]
# # 如何保护模型本身不被窃取和篡改？ · How do you protect the model itself from theft and tampering?
# 给权重签名、加密，拒绝会执行代码的 pickle；再对真实引擎里的 SmolLM2 加水印、抽取输出层、认出拷贝。
# Sign and encrypt weights, refuse a pickle that runs code; then watermark SmolLM2, extract its output layer from a real engine, and recognise copies of it.

# %% name="verify"
import shutil
from pathlib import Path

import attacks
import pandas as pd
import release
import torch
from attacks import verdict

torch.manual_seed(0)
torch.set_num_threads(1)
# Signs v1 and v2; of the pair, serving hosts hold only the public key.
key = attacks.publish("chat-7b", versions=(1, 2))
rows = {}
for attack in attacks.ALL:
    received = Path(shutil.copytree("v2", "received"))
    attack(received)
    by_list = verdict(release.check_list, received)
    signed = verdict(release.verify, received, "chat-7b", 2, key)
    rows[attack.__name__] = {"checksum list": by_list, "signed manifest": signed}
    shutil.rmtree(received)
checks = pd.DataFrame(rows).T
accepted = (checks.drop("untouched") == "accepted").sum()
missed_by_list, missed_by_signature = accepted
kinds = len(checks) - 1
assert set(checks.loc["untouched"]) == {"accepted"}
assert kinds == 5 and missed_by_list == 3 and missed_by_signature == 0
checks

# %% name="encrypt"
import numpy as np

# In production `master` never leaves the KMS.
master, context = bytes(range(32)), b"chat-7b/2/weights.bin"
plain, sealed, opened = Path("weights.bin"), Path("weights.sealed"), Path("weights.out")
plain.write_bytes(np.random.default_rng(0).bytes((5 << 20) + 123))
release.encrypt(plain, sealed, master, context)
release.decrypt(sealed, opened, master, context)
assert opened.read_bytes() == plain.read_bytes()
damaged = pd.Series(attacks.try_damaged(sealed, opened, master, context))
assert len(damaged) == 4 and set(damaged) == {"refused: authentication tag"}
damaged.to_frame("decrypting")

# %% name="pickle"
from picklescan.scanner import scan_file_path
from safetensors.torch import save_file

files = attacks.pickles()  # one is clean, two run code when they are loaded
default = [scan_file_path(f).issues_count for f in files]
strict = [scan_file_path(f, strict=True).issues_count for f in files]
scans = pd.DataFrame({"picklescan": default, "--strict": strict}, index=files)
for only in (False, True):
    scans[f"weights_only={only}"] = [attacks.load(f, only) for f in files]
assert default == [0, 1, 0] and strict == [0, 1, 1]
assert list(scans["weights_only=False"]) == ["loaded", "code ran", "code ran"]
assert list(scans["weights_only=True"]) == ["loaded", "refused", "refused"]
refused = verdict(save_file, {"x": attacks.Payload(eval, "1")}, "x.safetensors")
assert refused == "refused: no tensor"
scans

# %% name="false-positives"
import lms
from language_model import Engine, load_model, load_tokenizer
from watermark import letter, p_value, write

tokenizer = load_tokenizer()
PACKAGES = ("numpy", "pandas", "torch", "scipy.stats", "matplotlib.pyplot")
texts_of = {package: lms.docstrings(package) for package in PACKAGES}
streams = [np.concatenate(tokenizer(t)["input_ids"]) for t in texts_of.values()]
human = np.concatenate([s[:4000].reshape(-1, 200) for s in streams])  # 100 texts
keys = np.arange(100)
accused_once, accused_again = (
    float(np.mean([p_value(t, keys, once) < 1e-3 for t in human]))
    for once in (True, False)
)
print(f"accused: {accused_once:.2%} counted once, {accused_again:.2%} counted again")
assert 0.0005 < accused_once < 0.0015 and accused_again > 1.8 * accused_once

# %% name="watermark"
model, secret = load_model(), 20261129
topics = ("cats", "rain", "trains", "bread", "music")
prompts = [letter(tokenizer, topic) for topic in topics]
heats = [1.0] * 5 + [0.4] * 5
written, unmarked, states = write(model, prompts * 2, secret, heats, steps=48)
warm, cool = written[:5], written[5:]
groups = {
    "temperature 1.0": (warm, secret),
    "temperature 0.4": (cool, secret),
    "without watermark": (unmarked, secret),
    "another key": (warm, secret + 1),
}
p = {name: [p_value(t, k) for t in texts] for name, (texts, k) in groups.items()}
evidence = pd.DataFrame({"median p": {name: np.median(v) for name, v in p.items()}})
proven = [sum(x < 1e-6 for x in v) for v in p.values()]
evidence["p < 1e-6"] = [f"{n} / {len(v)}" for n, v in zip(proven, p.values())]
proven_warm, proven_cool, proven_unmarked, proven_key = proven
worst_warm, p_cool = max(p["temperature 1.0"]), p_value(cool.ravel(), secret)
assert proven_warm == 5 and worst_warm < 1e-6
assert proven_cool == 0 and p_cool < 1e-4  # weak one by one, stronger together
assert proven_unmarked == proven_key == 0
evidence.assign(**{"median p": evidence["median p"].map("{:.0e}".format)})

# %% name="rewrite" tags=["sweep"] flips="hidden_by"
shares = np.array([0, 5, 10, 20, 30, 40, 50, 70])
runs = []
for seed in range(5):
    chance = np.random.default_rng(seed).random(warm.shape)
    for share in shares:
        edited = np.where(chance < share / 100, unmarked[:5], warm)
        each = np.log10([p_value(t, secret) for t in edited])
        runs.append((share, -each.mean(), -np.log10(p_value(edited.ravel(), secret))))
columns = ["replaced [%]", "one text [-log10 p]", "five texts [-log10 p]"]
sweep = pd.DataFrame(runs, columns=columns).groupby("replaced [%]").mean()
one, five = (sweep[c] for c in sweep)
hidden_by = float(np.interp(-6, -one, shares))  # % at which one text proves nothing
five_hidden_by = float(np.interp(-6, -five, shares))
assert one[10] > 6 > one[40] and five[40] > 6 > five[50]
assert one.is_monotonic_decreasing and 40 > hidden_by < five_hidden_by / 1.2
sweep.round(1)

# %% name="hidden-size"
import httpx
from api import ask, chosen_log_p, spectrum

stream = np.concatenate([s[:20_000] for s in streams])
ids, counts = np.unique(stream, return_counts=True)
tokens = [int(t) for t in ids[np.argsort(-counts, kind="stable")][:768]]
starts = [[t] for t in tokens[100:130]]
with Engine(slots=30) as engine, httpx.Client(base_url=engine.address) as http:
    http.timeout = 99
    log_p = chosen_log_p(http, starts, 20, tokens)
    capped = ask(http, starts, 3, n_probs=20, logit_bias=[[t, 100] for t in tokens])

width, rows = model.config.hidden_size, {}
for step in (None, 0.001, 0.1):
    s = spectrum(np.round(log_p / step) * step if step else log_p)
    drop = s[10:-2] / s[11:-1]
    name = f"rounded to {step}" if step else "as answered"
    rows[name] = {"largest drop after": drop.argmax() + 11, "at 576": drop[width - 11]}
sizes = pd.DataFrame(rows).T
gap_full, gap_fine, gap_coarse = sizes["at 576"]
rows_seen, answers_seen = len(log_p), len(capped)
size_full, size_fine, size_coarse = sizes["largest drop after"].astype(int)
assert rows_seen == 600 and len(tokens) == 768
assert size_full == size_fine == width == 576 != size_coarse
assert gap_full > 200 and gap_fine > 5 and gap_coarse < 2
sizes.round(1)

# %% name="capped"
import math

from facts import fact

listed = [{entry["id"] for entry in step["top_logprobs"]} for step in capped]
in_all = len(set.intersection(*listed))
assert answers_seen == 90 and in_all == 0
large, named = fact("llama_3_1_8b.width"), fact("vllm_defaults.max_logprob_token_ids")
requests = math.ceil((large + 1) / named) * math.ceil((large + 1) / 512)
assert requests < 400
print(f"{in_all} tokens in all top 20; {requests} requests when tokens are named")

# %% name="fingerprint"
basis = np.linalg.svd(log_p - log_p.mean(1, keepdims=True), full_matrices=False)[2]


def outside(answers: torch.Tensor, space: np.ndarray) -> float:
    """The part of the answers that no model with this output layer can give."""
    a = (answers - answers.mean(1, keepdim=True)).numpy()
    return float(np.linalg.norm(a - a @ space.T @ space) / np.linalg.norm(a))


head, place = lms.output_layer(model, tokens)
marked, seen = place[torch.tensor(written)], states.flatten(0, 1)
tuned = lms.tune(head, seen, marked.flatten())
# Own texts, own initial weights, own batches.
sources = [place[torch.tensor(s[None, :20_000])] for s in streams]
controls = [lms.control(s, seed) for seed, s in enumerate(sources)]
suspects = {
    "same weights, PyTorch": [seen @ head.T],
    "output layer fine-tuned": [seen @ tuned.T],
    "distilled student": [lms.student(marked, states @ head.T)],
    "independent (5)": controls,
}
parts = {k: [outside(a, basis[:width]) for a in v] for k, v in suspects.items()}
ownership = pd.DataFrame({k: (min(v), max(v)) for k, v in parts.items()}).T
ownership.columns = ["least outside", "most outside"]
copied, after_tuning, distilled, control_least = ownership["least outside"]
moved = float((tuned - head).norm() / head.norm())
assert copied < 0.005 and control_least > 100 * copied and moved > 0.05
assert 10 * copied < after_tuning < distilled < control_least
ownership.map("{:.3f}".format)

# %% name="independent"
from itertools import permutations

spaces = [lms.space(c) for c in controls]
pairs = permutations(range(5), 2)
strangers = min(outside(controls[i], spaces[j]) for i, j in pairs)
assert strangers > 0.3  # no control speaks in the space of another
every_text = [text for texts in texts_of.values() for text in texts]
assert len(every_text) == len(set(every_text)) == 750
print(f"at least {strangers:.0%} of each control lies outside the space of another")
