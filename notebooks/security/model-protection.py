# ---
# jupyter:
#   qa:
#     seconds: 15
# ---

# %% [markdown]
# # 如何保护模型本身不被窃取和篡改？ · How do you protect the model itself from theft and tampering?
# 给权重签名、加密，拒绝会执行代码的 pickle；再给 SmolLM2 的文本加水印、看输出层怎样泄漏、从真实引擎的回答里认出拷贝。
# Sign and encrypt weights, refuse a pickle that runs code; then watermark what SmolLM2 writes, see how its output layer leaks, and recognise it behind a real engine.

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
assert kinds == 8 and missed_by_list == 4 and missed_by_signature == 0
# What is not signed is not even parsed.
Path("v2", release.MANIFEST).write_text("{")
parsed = verdict(release.verify, Path("v2"), "chat-7b", 2, key)
assert parsed == "refused: bad signature"
checks

# %% name="encrypt"
import numpy as np

# In production `master` never leaves the KMS.
master, context = bytes(range(32)), b"chat-7b/2/weights.bin"
plain, sealed, opened = Path("weights.bin"), Path("weights.sealed"), Path("weights.out")
plain.write_bytes(np.random.default_rng(0).bytes((5 << 20) + 123))
release.encrypt(plain, Path("again.sealed"), master, context)
release.encrypt(plain, sealed, master, context)
release.decrypt(sealed, opened, master, context)
assert opened.read_bytes() == plain.read_bytes()
assert sealed.read_bytes()[40:80] != Path("again.sealed").read_bytes()[40:80]
damaged = pd.Series(attacks.try_damaged(sealed, opened, master, context))
assert len(damaged) == 6 and set(damaged) == {"refused: authentication tag"}
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

# %% name="requests"
import math

from facts import fact

width_8b, words = fact("llama_3_1_8b.width"), fact("llama_3_1_8b.vocabulary")
named = fact("vllm_defaults.max_logprob_token_ids")


def ask(tokens: float, answers: float) -> int:
    """Requests of 512 tokens; each names some tokens and is sent again for the next ones."""
    return math.ceil(tokens / named) * math.ceil(answers / 512)


# Without noise: one more token and one more answer than the width.
requests = ask(width_8b + 1, width_8b + 1)
# In bf16: as many for each dimension as this page's run needs.
in_bf16 = ask(width_8b * 768 / 576, width_8b * 1200 / 576)
whole = ask(words, width_8b + 1)
minutes, minutes_bf16, hours = requests / 60, in_bf16 / 60, whole / 3600
assert requests == 297 and in_bf16 == 731 and whole == 9018
assert 4 < minutes < 5 and 12 < minutes_bf16 < 13 and 2 < hours < 3
print(f"hidden size: {minutes:.0f} min, in bf16 {minutes_bf16:.0f} min")
print(f"the whole output layer: {hours:.1f} h")

# %% name="allow-list"
import json

import yaml
from jsonschema import Draft7Validator

schema = json.loads(Path("request-schema.json").read_text())
allowed = Draft7Validator(schema)
limits = schema["properties"]
floor = limits["temperature"]["minimum"], limits["top_p"]["minimum"]
bare = {"model": "chat-7b", "messages": []}
honest = bare | {"temperature": 0.7, "top_p": 0.9, "max_tokens": 99, "tools": []}
honest |= {"stream": True, "stream_options": {"include_usage": True}}
labels = {"type": "json_schema", "json_schema": {"enum": ["A", "B"]}}
ways_out = [{"temperature": 0.69}, {"temperature": "0"}, {"top_p": 0.89}]
ways_out += [{"watermarking": False}, {"logit_bias": {"9": 100}}]
ways_out += [{"logprobs": True}, {"logprob_token_ids": [9]}]
ways_out += [{"response_format": labels}, {"tool_choice": "required"}]
ways_out += [{"structured_outputs": {"choice": ["A", "B"]}}, {"allowed_token_ids": [9]}]
ways_out += [{"prompt_logprobs": 20}, {"use_beam_search": True}]
passed = [way for way in ways_out if allowed.is_valid(honest | way)]
assert allowed.is_valid(honest) and len(ways_out) == 13 and not passed
# What a request leaves out, vLLM fills in from the model's own file, or with neutral values.
filled = {"auto": 0.6, "vllm": 1.0}  # 0.6 is the temperature of Llama 3.1 8B Instruct
within = {s: allowed.is_valid(bare | {"temperature": t}) for s, t in filled.items()}
serve = yaml.safe_load(Path("vllm.yaml").read_text())
assert allowed.is_valid(bare) and within == {"auto": False, "vllm": True}
assert within[serve["generation-config"]] and serve["load-format"] == "safetensors"
assert serve["max-logprobs"] == 0 and serve["host"] == "127.0.0.1"
assert serve["watermark-config"].get("key")
print(f"{len(passed)} of {len(ways_out)} ways round get through")

# %% name="false-positives"
import lms
from language_model import FOLDER, Engine, load_model
from tokenizers import Tokenizer
from watermark import p_value, write

tokenizer = Tokenizer.from_file(str(FOLDER / "tokenizer.json"))
PACKAGES = ("numpy", "pandas", "torch", "scipy.stats", "sklearn.metrics")
texts_of = {package: lms.docstrings(package) for package in PACKAGES}
streams = [
    np.concatenate([e.ids for e in tokenizer.encode_batch(t)])
    for t in texts_of.values()
]
human = np.concatenate([s[:4000].reshape(-1, 200) for s in streams])  # 100 texts
keys = np.arange(100)
accused_once, accused_again = (
    float(np.mean([p_value(t, keys, once) < 1e-3 for t in human]))
    for once in (True, False)
)
print(f"accused: {accused_once:.2%} counted once, {accused_again:.2%} counted again")
assert 0.0005 < accused_once < 0.0015 and accused_again > 1.8 * accused_once

# %% name="watermark"
torch.manual_seed(0)
model, secret, length = load_model(), 20261129, 20
openings = [tokenizer.encode(f"An essay. {text}").ids[:9] for text in lms.OPENINGS]
# Each opening at three (temperature, top-p); the second is the least that the schema allows.
sampling = [(1.0, 1.0), floor, (0.4, 1.0)]
prompts = [ids for ids in openings for _ in sampling]
written, unmarked, states = write(model, prompts, secret, sampling * 5, length)
warm, least, cool = (written[i::3] for i in range(3))
groups = {
    "temperature 1.0": (warm, secret),
    "least allowed": (least, secret),
    "temperature 0.4": (cool, secret),
    "without watermark": (unmarked, secret),
    "another key": (written, secret + 1),
}
p = {name: [p_value(t, k) for t in texts] for name, (texts, k) in groups.items()}
evidence = pd.DataFrame({"median p": {name: np.median(v) for name, v in p.items()}})
proven = [sum(x < 1e-6 for x in v) for v in p.values()]
evidence["p < 1e-6"] = [f"{n} / {len(v)}" for n, v in zip(proven, p.values())]
proven_warm, proven_least, proven_cool, proven_unmarked, proven_key = proven
worst_warm = max(p["temperature 1.0"])
p_least, p_cool = (p_value(texts.ravel(), secret) for texts in (least, cool))
assert warm.shape == least.shape == cool.shape == (5, length)
assert proven_warm == 5 and np.median(p["temperature 1.0"]) < worst_warm < 1e-8
# At the floor a text may fail alone; the five together are evidence.
assert floor == (0.7, 0.9) and 0 < proven_least < 5 and p_least < 1e-10
assert proven_cool == 0 and 1e-6 < p_cool < min(p["temperature 0.4"]) / 10
assert proven_unmarked == proven_key == 0
evidence.assign(**{"median p": evidence["median p"].map("{:.0e}".format)})

# %% name="rewrite" tags=["sweep"] flips="hidden_by"
runs = []
for seed in range(5):
    chance = np.random.default_rng(seed).random(warm.shape)
    for chosen in (0, 5, 10, 20, 30, 40, 60, 80):
        edited = np.where(chance < chosen / 100, unmarked[::3], warm)
        # Some of the chosen tokens are replaced by themselves.
        replaced = 100 * (edited != warm).mean()
        each = np.mean([np.log10(p_value(text, secret)) for text in edited])
        together = np.log10(p_value(edited.ravel(), secret))
        runs.append((chosen, replaced, -each, -together))
columns = ["chosen", "replaced [%]", "one text [-log10 p]", "five texts [-log10 p]"]
means = pd.DataFrame(runs, columns=columns).groupby("chosen").mean()
sweep = means.set_index(means["replaced [%]"].round(1)).drop(columns="replaced [%]")
one, five = (sweep[c] for c in sweep)
# % at which the mean of -log10 p is 6: one in a million
hidden_by, five_hidden_by = (float(np.interp(-6, -y, sweep.index)) for y in (one, five))
assert one.iloc[0] > 9 > 6 > one.iloc[3] and five.iloc[3] > 12 and five.iloc[-1] < 1
assert len({each for chosen, _, each, _ in runs if chosen == 20}) == 5  # five choices
assert one.is_monotonic_decreasing and 5 < hidden_by < five_hidden_by / 2 < 20
sweep.round(1)

# %% name="hidden-size"
from api import chosen_log_p, spectrum

stream = np.concatenate([s[:15_000] for s in streams])
ids, counts = np.unique(stream, return_counts=True)
tokens = [int(t) for t in ids[np.argsort(-counts, kind="stable")][:768]]
head, width = model.lm_head.weight.detach()[tokens], model.config.hidden_size
with torch.no_grad():
    read = model.model(torch.tensor(human[::7, :80])).last_hidden_state.flatten(0, 1)
# What an API answers that gives log-probabilities of the tokens of the caller's choice.
log_p = (read @ head.T).log_softmax(-1)
answers = {"as answered": log_p}
for step in (0.001, 0.1):
    answers[f"rounded to {step}"] = (log_p / step).round() * step
# As most engines compute them: the output layer in bf16, the softmax in fp32.
in_bf16 = (read.bfloat16() @ head.bfloat16().T).float()
answers["logits in bf16"] = in_bf16.log_softmax(-1)
sizes, largest = pd.DataFrame(index=answers), {}
for count in (600, 1200):
    for name, asked in answers.items():
        s = spectrum(asked[:: 1200 // count].numpy())
        drop = s[10:-10] / s[11:-9]  # the ten largest fall faster
        sizes.loc[name, f"{count} answers"] = drop[width - 11]
        largest[name, count] = int(drop.argmax()) + 11
size_full = largest["as answered", 600]
found = [k for k, size in largest.items() if size == width]
gap_full, gap_fine, gap_coarse, gap_bf16 = sizes["600 answers"]
more_coarse, more_bf16 = sizes.loc[["rounded to 0.1", "logits in bf16"], "1200 answers"]
assert len(log_p) == 1200 and size_full == width == 576
# With 600 answers, coarse rounding and bf16 hide the size; with twice as many, nothing does.
assert set(largest) - set(found) == {("rounded to 0.1", 600), ("logits in bf16", 600)}
assert gap_full > 200 and gap_fine > 5 and max(gap_coarse, gap_bf16) < 1.2
assert min(more_coarse, more_bf16) > 1.5
sizes.map("{:,.1f}".format)

# %% name="fingerprint"
with Engine(slots=24) as engine:
    answered = chosen_log_p(engine, [[t] for t in tokens[:24]], tokens)
basis = lms.space(head)  # 576 directions of 767


def outside(answers: torch.Tensor | np.ndarray, space: np.ndarray) -> float:
    """The part of the answers that no model with this output layer can give."""
    a = np.asarray(answers)
    a = a - a.mean(1, keepdims=True)
    return float(np.linalg.norm(a - a @ space @ space.T) / np.linalg.norm(a))


place = torch.full((model.config.vocab_size,), len(tokens))
place[tokens] = torch.arange(len(tokens))
marked, teacher = place[torch.tensor(written)], states @ head.T
tuned = lms.tune(head, states.flatten(0, 1), marked.flatten())
# All small models answer on the same texts, on which none was trained: the last two openings.
seen, asked = (lms.contexts(t)[0] for t in (marked[:-6], marked[-6:]))
sources = [place[torch.tensor(s[None, :15_000])] for s in streams]
controls = [lms.control(s, len(tokens), seed) for seed, s in enumerate(sources)]
taught = teacher[:-6, lms.CONTEXT :].flatten(0, 1)
# Pairs of students: the same texts, initial weights and batches, another teacher.
pairs = [
    [lms.student(seen, says, seed)(asked) for says in (taught, control(seen))]
    for seed, control in enumerate(controls)
]
students, others = zip(*pairs)
suspects = {
    "same weights, llama.cpp": [answered],
    "output layer fine-tuned": [read @ tuned.T],
    "students of the model (5)": students,
    "students of others (5)": others,
    "independent (5)": [c(asked) for c in controls],
    "random numbers": [torch.randn(1000, 768)],
}
parts = {k: [outside(a, basis) for a in v] for k, v in suspects.items()}
ownership = pd.DataFrame({k: (min(v), max(v)) for k, v in parts.items()}).T
ownership.columns = ["least outside", "most outside"]
moved = float((tuned - head).norm() / head.norm())
least_outside = ownership["least outside"]
copied, after_tuning, distilled, other_least, control_least, by_chance = least_outside
distilled_most = ownership.loc["students of the model (5)", "most outside"]
assert copied < 0.005 and moved > 0.05
assert 10 * copied < after_tuning < distilled / 2
assert distilled_most < min(other_least, control_least)
assert abs(by_chance - ((767 - width) / 767) ** 0.5) < 0.01
ownership.map("{:.3f}".format)

# %% name="independent"
from itertools import permutations

spaces = [lms.space(c[-1].weight) for c in controls]
speech = suspects["independent (5)"]
strangers = min(outside(speech[i], spaces[j]) for i, j in permutations(range(5), 2))
every_text = [text for texts in texts_of.values() for text in texts]
assert strangers > 0.5  # no control speaks in the space of another
assert len(every_text) == len(set(every_text)) == 300
print(f"at least {strangers:.0%} of each control lies outside the space of another")
