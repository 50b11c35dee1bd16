# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 训练和使用大模型时如何保护用户隐私 · Protecting user privacy in training and use
#
# 攻击一个真实语言模型：微调数据里的号码能否背出、能否推断成员，差分隐私挡住多少；再做安全聚合、信封加密、日志脱敏和前缀缓存窥探。
#
# Attacks a real language model: are codes of the fine-tuning set recited, are members found, and what does differential privacy stop; then secure aggregation, an envelope, redacted logs and a spied-on prefix cache.

# %% name="accounting"
import warnings

import numpy as np
import pandas as pd
from accounts import bound, exact_epsilon, spent, tighter
from scipy.stats import norm
from tuning import EPOCHS, RATE

# Opacus warns of noise that is not cryptographic.
warnings.filterwarnings("ignore")
DELTA = 1e-3  # below 1 / 60 records
STEPS = round(EPOCHS / RATE)  # each record is in a quarter of the batches
SIGMAS = {"DP, ε near 8": 1.29, "DP, ε near 1": 6.6}
rows = {}
for name, sigma in SIGMAS.items():
    epsilon = spent(sigma, RATE, STEPS, DELTA)
    rows[name] = epsilon, bound(epsilon, DELTA), tighter(sigma, RATE, STEPS)
bounds = pd.DataFrame(rows, index=["ε", "bound at this ε", "bound from the curve"]).T
(eps_8, point_8, curve_8), (eps_1, point_1, curve_1) = bounds.to_numpy()
assert 7.5 < eps_8 < 8 and 0.9 < eps_1 < 1 and STEPS == 80
# Answering truthfully with probability e^ε / (1 + e^ε) is ε-DP, and reaches the bound.
for e in (0.5, 1, 3, 8):
    truthful = np.exp(e) / (1 + np.exp(e))
    assert np.isclose(bound(e, 0), truthful - (1 - truthful))
assert point_8 > 0.99 and curve_8 < 0.75 and 0.4 < point_1 < 0.5 and curve_1 < 0.2
bounds.rename_axis("training").round(4)

# %% name="ledger"
eps_exact = exact_epsilon(sigma=4, steps=20, delta=DELTA)
eps_prv, eps_sampled = (spent(4, rate, 20, DELTA) for rate in (1, RATE))
eps_tuned = spent(SIGMAS["DP, ε near 8"], RATE, 10 * STEPS, DELTA)
# No bound may lie below what the best attack on these Gaussians reaches.
assert tighter(4, 1, 20) >= 2 * norm.cdf(20**0.5 / 8) - 1
assert eps_exact <= eps_prv < eps_exact + 0.2 and eps_sampled < eps_prv / 2
assert 36 < eps_tuned < 38  # ten trainings in one ledger, less than ten times ε
noise_ratio = SIGMAS["DP, ε near 1"] / SIGMAS["DP, ε near 8"]
assert 5 < noise_ratio < 5.2
print(f"exact {eps_exact:.2f}, accountant {eps_prv:.2f}, sampled {eps_sampled:.2f}")
print(f"one training {eps_8:.1f}, ten trainings {eps_tuned:.0f}")

# %% name="envelope"
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256

OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)
kms = rsa.generate_private_key(public_exponent=65537, key_size=3072)
prompt, purpose = b"my biopsy result came back. " * 80, b"tenant=7;purpose=support"


def seal(text: bytes, purpose: bytes) -> tuple[bytes, bytes, bytes]:
    data_key, nonce = AESGCM.generate_key(256), os.urandom(12)  # new for each record
    sealed = AESGCM(data_key).encrypt(nonce, text, purpose)
    return nonce, sealed, kms.public_key().encrypt(data_key, OAEP)


nonce, sealed, wrapped = seal(prompt, purpose)
data_key = kms.decrypt(wrapped, OAEP)
assert data_key != kms.decrypt(seal(prompt, purpose)[2], OAEP)
assert AESGCM(data_key).decrypt(nonce, sealed, purpose) == prompt
rsa_limit, prompt_bytes = 3072 // 8 - 2 * 32 - 2, len(prompt)  # RFC 8017, 7.1.1
assert kms.public_key().encrypt(bytes(rsa_limit), OAEP)
assert prompt_bytes == 2240 > rsa_limit == 318
try:
    AESGCM(data_key).decrypt(nonce, sealed, b"tenant=7;purpose=training")
    refused = False
except InvalidTag:
    refused = True
assert refused
print(f"{prompt_bytes:,} bytes sealed; for another purpose: refused")

# %% name="redaction"
import io
import logging.config
from copy import deepcopy

from redact import Redacted, redact, restore
from uvicorn.config import LOGGING_CONFIG

said = (
    "张伟，手机 138-1234-5678，身份证 11010519491231002x，zw@example.com，住在东门旁。"
)
outgoing, vault = redact(said)
log = io.StringIO()
handler = logging.StreamHandler(log)
handler.setFormatter(Redacted())
logging.getLogger().addHandler(handler)  # the root's: of all that propagate to it
logging.getLogger("httpx").error("prompt: %s", said)
try:
    raise ValueError(said)
except ValueError:
    logging.getLogger("gateway").exception("failed")
config, escaped = deepcopy(LOGGING_CONFIG), []  # uvicorn's own, which does not
for formatter in (config["formatters"]["default"], {"()": Redacted}):
    config["formatters"]["default"] = formatter
    config["handlers"]["default"]["stream"] = own = io.StringIO()
    logging.config.dictConfig(config)
    logging.getLogger("uvicorn.error").error("body: %s", said)
    escaped.append("138-1234-5678" in own.getvalue())
assert escaped == [True, False] and "body" not in log.getvalue()
logging.getLogger().removeHandler(handler)
replaced = len(vault)
assert replaced == 3 and restore(outgoing, vault) == said and restore(said, {}) == said
assert not any(value in outgoing + log.getvalue() for value in vault.values())
assert log.getvalue().count("<PHONE_0>") == 2 and "Traceback" in log.getvalue()
assert "张伟" in outgoing and "东门" in outgoing  # patterns know no names
assert redact("+8613812345678")[0] == "<PHONE_0>"
fullwidth = "１３８１２３４５６７８"
assert redact(fullwidth)[0] == fullwidth  # nor digits of another script
order = "order 20261129001 of 11010519491231002"
assert redact(order)[0] == order  # digits alone are no phone and no identity number
print(outgoing)

# %% name="prefix-cache"
import secrets

import httpx
from language_model import Engine
from spy import CODE, hits

options = dict(slots=1, cache_ram_mib=0)
with Engine(**options) as engine, httpx.Client(base_url=engine.address) as http:
    stolen = ""
    for _ in CODE:  # the next digit is the one with which most is found in the cache
        stolen += str(np.argmax(hits(http, stolen)))
    # 128 random bits each, so that nobody guesses them
    mine, other = (f"{secrets.token_hex(16)} " for _ in range(2))
    both = CODE[0] + "3"  # a right digit and a wrong one
    salted = hits(http, "", mine, other, both)  # each tenant has a secret prefix
    told = hits(http, "", mine, mine, both)  # the spy has learnt the victim's
guesses = 10 * len(CODE)
assert stolen == CODE and guesses == 20
assert salted[0] == salted[1] and told[0] > told[1]
assert mine != other and len(mine) == len(other) == 33
print(f"{stolen} after {guesses} guesses")
more, leaked = salted[0] - salted[1], told[0] - told[1]
print(f"more tokens found for the right digit: {more}, salt leaked: {leaked}")

# %% name="records"
import json

import torch
from language_model import load_model, load_tokenizer
from tuning import Adapter, Frozen, advantage, attack, train

people = json.load(open("people.json"))
names = [f"{first} {last}" for first in people["first"] for last in people["last"]]
codes = np.random.default_rng(0).integers(0, 10, (len(names), 3))
texts = [f"{n} #{''.join(map(str, c))}" for n, c in zip(names, codes)]
tokenizer, model = load_tokenizer(), load_model()
ids = torch.tensor(tokenizer(texts)["input_ids"])
frozen = Frozen(model, ids, known=2)  # the name is known
floor = (
    3 * np.log(10) / 4
)  # nats a token: three random digits, and one that never changes
choices, vocabulary = len(frozen.head), len(model.lm_head.weight)
size = Adapter(frozen).down.weight.numel()
assert (len(texts), choices, vocabulary, size) == (120, 11, 49152, 36864)
print(texts[0], "->", tokenizer.convert_ids_to_tokens(ids[0]))

# %% name="attacks"
# A threshold that parts one half perfectly gains nothing on another that lies elsewhere.
assert advantage(torch.tensor([1.0, 3, 1, 3]), torch.tensor([0.0, 2, 0, 2])) == 0
ARMS = {  # the same data, rate and clipping, and except for one the same epochs
    "no noise": {},
    "no noise, 3 epochs": dict(epochs=3),
    **{name: dict(sigma=sigma) for name, sigma in SIGMAS.items()},
}
halves = [np.split(np.random.default_rng(s).permutation(len(ids)), 2) for s in (0, 1)]
splits = [
    pair for a, b in halves for pair in ((a, b), (b, a))
]  # each record is in and out
rows = []
for seed, (members, others) in enumerate(splits):
    for arm, how in ARMS.items():
        adapter, ledger, same = train(frozen, members, seed, **how)
        # Only the noise differs, and the 12 steps of 3 epochs; ε is of this training.
        steps = 12 if arm == "no noise, 3 epochs" else STEPS
        assert ledger == [(SIGMAS.get(arm, 0), RATE, steps)]
        assert same == (1.0, 0.02)  # clipping and learning rate
        if arm == "no noise":
            reciting = adapter
        rows.append({"training": arm, **attack(frozen, adapter, members, others)})
found = pd.DataFrame(rows).groupby("training", sort=False)
mean, low, high = found.mean(), found.min(), found.max()
loss_plain, loss_short, loss_8, loss_1 = mean["loss, others"]
assert loss_short == mean["loss, others"]["no noise, 3 epochs"]
recited_plain, recited_short, recited_8, recited_1 = mean["recited"]
gain_plain, gain_short, gain_8, gain_1 = mean["advantage"]
guarded = list(ARMS)[1:]
least_gain, most_gain = (
    low["advantage"]["no noise"],
    high["advantage"][list(SIGMAS)].max(),
)
assert 0.1 < recited_plain < 0.2 and high["recited"][guarded].max() < 0.05
assert STEPS == 80 and EPOCHS == 20 and DELTA == 1e-3 < 1 / len(members)
assert gain_plain > least_gain > 0.4 > 0.3 > most_gain and most_gain < curve_8
assert max(gain_short, gain_8, gain_1) < 0.2 and abs(gain_short - gain_8) < 0.1
assert floor < loss_8 < min(loss_1, loss_short) and loss_8 < loss_plain - 0.2
assert most_gain == max(r["advantage"] for r in rows if r["training"] in SIGMAS)
table = mean[["loss, others", "recited", "advantage"]]
table.assign(**{"advantage, highest of 4": high["advantage"]}).round(3)

# %% name="generation"
layer, tuned, asked = model.model.layers[-1].mlp.down_proj, reciting, members[:30]
hook = layer.register_forward_hook(lambda _, x, out: out + tuned.up(tuned.down(x[0])))
allowed = ids[:, 2:].unique().tolist()  # as a grammar for the format of a code would
options = {"max_new_tokens": 4, "prefix_allowed_tokens_fn": lambda *_: allowed}
written = model.generate(ids[asked, :2], do_sample=False, **options)
hook.remove()
spoken = (written == ids[asked]).all(1).sum().item()
recited_asked = attack(frozen, tuned, asked, others)["recited"]
assert spoken >= 2 and spoken == round(30 * recited_asked)  # as the attack had counted
right = [text for text, true in zip(written, ids[asked]) if torch.equal(text, true)]
print(f"{spoken} of {len(asked)} codes written, such as {tokenizer.decode(right[0])}")

# %% name="copies" tags=["sweep"] flips="half_recited"
copies = [1, 4, 16, 32]
rows = []
for seed, (members, others) in enumerate(splits):
    groups = np.split(members[:8], len(copies))  # two people each
    repeated = np.concatenate([np.repeat(g, n) for g, n in zip(groups, copies)])
    used = np.concatenate([repeated, members[8:58]])  # 156 records
    adapter, ledger, _ = train(frozen, used, seed, **ARMS["DP, ε near 8"])
    assert ledger == [(SIGMAS["DP, ε near 8"], RATE, STEPS)]  # as if all were people
    for n, group in zip(copies, groups):
        rows.append({"records a person": n, **attack(frozen, adapter, group, others)})
by_copies = pd.DataFrame(rows).groupby("records a person")[["told apart", "recited"]]
by_copies = by_copies.mean().mul(100).add_suffix(" [%]")
told_apart, known = by_copies["told apart [%]"], by_copies["recited [%]"]
half_recited, recited_32 = np.interp(50, known, known.index), known[32]
assert known[1] == 0 and known[4] < 10 and recited_32 > 60 and 8 < half_recited < 32
assert told_apart[1] < 65 and told_apart[32] > 90 and told_apart.is_monotonic_increasing
by_copies.round(1)

# %% name="secure-sum"
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from secagg import mask, real, upload, words

members, others = splits[0]
groups = np.split(members, 5)
trained = [train(frozen, group, seed=0)[0] for group in groups]
updates = [adapter.down.weight.detach().double().numpy().ravel() for adapter in trained]
pairs = zip(trained, groups)
one = pd.DataFrame([attack(frozen, a, group, others) for a, group in pairs]).mean()
alone, gain_alone = one["recited"], one["advantage"]
keys = [X25519PrivateKey.generate() for _ in groups]
public = [key.public_key() for key in keys]
uploads = [upload(update, keys[c], public, c) for c, update in enumerate(updates)]
total = sum(uploads)
assert np.array_equal(total, sum(words(update) for update in updates))  # bit for bit
assert abs(real(total) - sum(updates)).max() < 1e-4  # what fixed point rounds away
leak = abs(np.corrcoef(real(uploads[0]), updates[0])[0, 1])
assert leak < 0.05 and alone > 0.4
pad = uploads[0] - words(updates[0])  # all 32 bits are masked
assert all(0.45 < (pad >> bit & 1).mean() < 0.55 for bit in range(32))
# With all public keys but another private key the masks are others.
stranger = X25519PrivateKey.generate()
assert not np.array_equal(uploads[0], upload(updates[0], stranger, public, 0))

present = sum(uploads[:4])  # client 4 agreed on keys and never uploaded
expected = sum(words(update) for update in updates[:4])
assert not np.array_equal(present, expected)
# The others reveal the masks that they share with client 4.
left = sum(mask(keys[c], public[4], c, 4, size) for c in range(4))
assert np.array_equal(present - left, expected)


def with_update(update: np.ndarray) -> dict[str, float]:
    torch.manual_seed(0)  # the fixed factor that all clients have
    adapter = Adapter(frozen)
    adapter.down.weight.data = torch.tensor(update).float().view_as(adapter.down.weight)
    return attack(frozen, adapter, members, others)


base, summed, merged = (with_update(real(total) * share) for share in (0, 1, 1 / 5))
loss_base, loss_merged = base["loss, others"], merged["loss, others"]
recited_sum, recited_merged = summed["recited"], merged["recited"]
gain_sum, gain_merged = summed["advantage"], merged["advantage"]
print(
    f"recited: one update {alone:.0%}, sum {recited_sum:.0%}, mean {recited_merged:.0%}"
)
print(f"advantage: {gain_alone:.2f}, {gain_sum:.2f}, {gain_merged:.2f}")
print(f"loss of others {loss_base:.2f} -> {loss_merged:.2f}")
assert loss_merged < loss_base - 0.1 and max(recited_sum, recited_merged) < 0.1
assert gain_alone > 0.5 > 0.4 > max(gain_sum, gain_merged)
assert min(gain_sum, gain_merged) > 0.1  # the sum still leaks members
