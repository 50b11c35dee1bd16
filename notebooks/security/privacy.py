# ---
# jupyter:
#   qa:
#     seconds: 25
# ---

# %% [markdown]
# # 训练和使用大模型时如何保护用户隐私 · Protecting user privacy in training and use
#
# 用 Opacus 做带账本的差分隐私训练，量准确率、成员推断和记忆；再做一轮安全聚合、一次信封加密和一次隐私代理。
#
# Trains with accounted differential privacy (Opacus) and measures accuracy, membership inference and memorisation; then a round of secure aggregation, an envelope and a privacy proxy.

# %% name="setup"
import os
import re
import secrets
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from opacus import PrivacyEngine
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from scipy.optimize import brentq
from scipy.stats import norm
from secagg import join, pair_mask, split, stream
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

warnings.filterwarnings(
    "ignore", module="opacus"
)  # reminds us on every run that the noise generator is not cryptographic
warnings.filterwarnings("ignore", message="Full backward hook")

# %% name="data"
pixels, digits = load_digits(
    return_X_y=True
)  # 1,797 real scans of handwritten digits, 8 x 8 pixels
X, truth = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits)


def draw(seed: int) -> tuple[torch.Tensor, ...]:
    """900 training records (members), the rest for comparison; a tenth of all labels is wrong, and only memory can know them."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(X), generator=rng)
    wrong = torch.rand(len(X), generator=rng) < 0.1
    shift = torch.randint(1, 10, (len(X),), generator=rng)
    return (
        order[:900],
        order[900:],
        torch.where(wrong, (truth + shift) % 10, truth),
        wrong,
    )


# %% name="dp-training"
DELTA = 1e-4  # well below 1 / 900 records


def build() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))


def train(
    x, y, seed: int, epochs: int, sigma: float = 0, lr: float = 0.5
) -> tuple[nn.Module, float]:
    """Returns the model and the ε it has spent."""
    torch.manual_seed(seed)
    model, engine = build(), None
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x, y), batch_size=180, shuffle=True
    )
    if sigma:  # Poisson batches, each record's gradient clipped to norm 1, Gaussian noise of deviation sigma on their sum
        engine = PrivacyEngine(accountant="rdp")
        model, optimizer, loader = engine.make_private(
            module=model,
            optimizer=optimizer,
            data_loader=loader,
            noise_multiplier=sigma,
            max_grad_norm=1.0,
        )
    for _ in range(epochs):
        for batch, labels in loader:
            optimizer.zero_grad()
            cross_entropy(model(batch), labels).backward()
            optimizer.step()
    return model, engine.get_epsilon(DELTA) if engine else np.inf


def noise_for(epsilon: float) -> float:
    """The least noise that keeps 20 epochs (100 steps, each record in a fifth of them) within the budget."""
    return get_noise_multiplier(
        target_epsilon=epsilon,
        target_delta=DELTA,
        sample_rate=0.2,
        epochs=20,
        accountant="rdp",
    )


# %% name="attack"
def advantage(loss_in: torch.Tensor, loss_out: torch.Tensor) -> float:
    """Guess "member" below a loss threshold: true minus false positive rate. Chosen on one half, scored on the other."""

    def gap(a, b, t):
        return (a <= t).float().mean(-1) - (b <= t).float().mean(-1)

    candidates = torch.cat([loss_in[::2], loss_out[::2]])[:, None]
    best = candidates[gap(loss_in[::2], loss_out[::2], candidates).argmax()]
    return gap(loss_in[1::2], loss_out[1::2], best).item()


def measure(model, members, others, labels, wrong) -> dict[str, float]:
    with torch.no_grad():
        logits = model(X)
    guess, loss = logits.argmax(1), cross_entropy(logits, labels, reduction="none")
    planted = members[wrong[members]]
    return {
        "accuracy": (guess[others] == truth[others]).float().mean().item(),
        "advantage": advantage(loss[members], loss[others]),
        "memorised": (guess[planted] == labels[planted]).float().mean().item(),
    }


# %% name="sweep"
sigma_8, sigma_3, sigma_1 = (noise_for(epsilon) for epsilon in (8, 3, 1))
SETTINGS = {
    "no DP": dict(epochs=100),
    "no DP, early stop": dict(epochs=8),
    "ε = 8": dict(epochs=20, sigma=sigma_8),
    "ε = 3": dict(epochs=20, sigma=sigma_3),
    "ε = 1": dict(epochs=20, sigma=sigma_1, lr=0.25),
}
rows = []
for name, setting in SETTINGS.items():
    for seed in range(3):
        members, others, labels, wrong = draw(seed)
        model, spent = train(X[members], labels[members], seed, **setting)
        rows.append(
            {"setting": name, "spent ε": spent}
            | measure(model, members, others, labels, wrong)
        )
runs = pd.DataFrame(rows).groupby("setting", sort=False)
mean = runs.mean()
# no attack on one record can do better against (ε, δ)-DP
mean["bound on advantage"] = [
    1.0 if np.isinf(e) else (np.expm1(e) + 2 * DELTA) / (np.exp(e) + 1)
    for e in mean["spent ε"]
]
mean.round(3)

# %% name="claims"
dp = mean.loc[["ε = 8", "ε = 3", "ε = 1"]]
assert (
    (dp["spent ε"] <= [8, 3, 1]) & (dp["spent ε"] > [7.2, 2.7, 0.9])
).all()  # budget used, never exceeded
assert mean.at["no DP", "memorised"] > 0.8 and (mean["memorised"].iloc[1:] < 0.3).all()
assert (
    mean.at["no DP", "advantage"] > 0.18
    and (dp["advantage"] < mean.at["no DP", "advantage"] / 2).all()
)
assert (mean["advantage"] <= mean["bound on advantage"]).all()
assert (
    mean.at["ε = 8", "accuracy"] > 0.8
    and mean.at["ε = 1", "accuracy"] < mean.at["ε = 8", "accuracy"] - 0.1
)
acc_none, acc_stop, acc_8, acc_3, acc_1 = mean["accuracy"]
adv_none, adv_stop, adv_8, adv_3, adv_1 = mean["advantage"]
mem_none, mem_stop, mem_8, mem_3, mem_1 = mean["memorised"]
mem_rest = mean["memorised"].iloc[1:].max()
bound_8, bound_3, bound_1 = dp["bound on advantage"]

# %% name="privacy-utility" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
at = range(len(mean))
low, high = runs.min(), runs.max()
for column, label in [
    ("accuracy", "accuracy on new records"),
    ("memorised", "wrong training labels recited"),
    ("advantage", "attacker's advantage"),
]:
    spread = [mean[column] - low[column], high[column] - mean[column]]
    ax.errorbar(at, mean[column], yerr=spread, marker="o", capsize=3, label=label)
ax.plot(at, mean["bound on advantage"], "--", label="bound on any attack")
ax.set_xticks(at, mean.index)
ax.set(
    xlabel="training (privacy grows to the right)",
    ylabel="fraction",
    ylim=(-0.08, 1.05),
)
fig.legend(fontsize=8, loc="outside upper center", ncols=4)
plt.show()


# %% name="accounting"
def gaussian_epsilon(sigma: float, steps: int, delta: float) -> float:
    """Exact ε of `steps` Gaussian releases without sampling (Balle and Wang, 2018)."""
    mu = steps**0.5 / sigma
    return brentq(
        lambda e: (
            norm.cdf(mu / 2 - e / mu) - np.exp(e) * norm.cdf(-mu / 2 - e / mu) - delta
        ),
        0,
        100,
    )


def account(kind: type, sigma: float, rate: float, steps: int) -> float:
    accountant = kind()
    accountant.history = [(sigma, rate, steps)]
    return accountant.get_epsilon(DELTA)


eps_exact = gaussian_epsilon(4.0, 20, DELTA)
eps_prv, eps_rdp = (
    account(PRVAccountant, 4.0, 1.0, 20),
    account(RDPAccountant, 4.0, 1.0, 20),
)
eps_sampled = account(
    PRVAccountant, 4.0, 0.2, 20
)  # every record joins a fifth of the steps
assert (
    eps_exact - 0.01 <= eps_prv < eps_exact + 0.1 < eps_rdp
    and eps_sampled < eps_exact / 3
)
eps_one = account(PRVAccountant, sigma_3, 0.2, 100)
eps_tuned = account(
    PRVAccountant, sigma_3, 0.2, 10 * 100
)  # ten runs to choose the learning rate
assert 2 * eps_one < eps_tuned < 10 * eps_one
pd.Series(
    {
        "exact, no sampling": eps_exact,
        "PRV accountant": eps_prv,
        "RDP accountant": eps_rdp,
        "PRV, rate 0.2": eps_sampled,
        "one run": eps_one,
        "ten runs": eps_tuned,
    }
).round(2).to_frame("ε at δ = 0.0001")

# %% name="one-user-many-records"
recited = []
for seed in range(3):
    members, others, labels, wrong = draw(seed)
    planted = members[wrong[members]]
    heavy, light = (
        planted[:8],
        planted[8:],
    )  # eight wrong records appear twenty times, the others once
    rows_used = torch.cat([members, heavy.repeat(19)])
    model, eps_heavy = train(
        X[rows_used], labels[rows_used], seed, epochs=20, sigma=sigma_3
    )
    with torch.no_grad():
        hit = model(X).argmax(1) == labels
    recited.append([hit[heavy].float().mean().item(), hit[light].float().mean().item()])
twenty_copies, one_copy = np.mean(recited, axis=0)
assert twenty_copies > 0.6 and one_copy < 0.2 and eps_heavy < 3
print(
    f"ε = {eps_heavy:.2f} per record; wrong label recited: 20 copies {twenty_copies:.0%}, 1 copy {one_copy:.0%}"
)

# %% name="gradient-leak"
torch.manual_seed(0)
model = build()
record = X[:1]
cross_entropy(model(record), truth[:1]).backward()
weight, bias = model[0].weight.grad, model[0].bias.grad
gradient = torch.cat([p.grad.flatten() for p in model.parameters()]).double().numpy()
unit = bias.abs().argmax()
recovered = weight[unit] / bias[unit]  # dL/dW = (dL/db) x: the quotient is the input
leak_error = (recovered - record[0]).abs().max().item()
assert leak_error < 1e-3

# %% name="key-agreement"
CLIENTS, THRESHOLD, SCALE = range(5), 3, 2**16
keys = {c: X25519PrivateKey.generate() for c in CLIENTS}
public = {
    c: key.public_key() for c, key in keys.items()
}  # the server only passes these on
own_seed = {c: secrets.token_bytes(32) for c in CLIENTS}
# In the full protocol the shares travel through the server, encrypted from client to client.
key_shares = {
    c: split(keys[c].private_bytes_raw(), CLIENTS, THRESHOLD) for c in CLIENTS
}
seed_shares = {c: split(own_seed[c], CLIENTS, THRESHOLD) for c in CLIENTS}


def upload(c: int, values: np.ndarray) -> np.ndarray:
    """Fixed point modulo 2**32, plus the client's own mask, plus or minus one mask for each peer."""
    masked = np.round(values * SCALE).astype(np.int64).astype(np.uint32) + stream(
        own_seed[c], values.size
    )
    return masked + sum(
        pair_mask(keys[c], public[p], c, p, values.size) for p in CLIENTS if p != c
    )


# %% name="federated-round"
def flat(model: nn.Module) -> np.ndarray:
    return nn.utils.parameters_to_vector(model.parameters()).detach().double().numpy()


torch.manual_seed(0)
common = build()  # the global model; train() starts from the same weights with seed 0
members, others, _, _ = draw(0)
updates = {
    c: flat(train(X[members[c::5]], truth[members[c::5]], seed=0, epochs=20)[0])
    - flat(common)
    for c in CLIENTS
}
uploads = {c: upload(c, updates[c]) for c in CLIENTS}
size = updates[0].size
assert (
    max(np.abs(u).max() for u in updates.values()) * SCALE * len(CLIENTS) < 2**31
)  # the sum cannot wrap around
seen = uploads[0].astype(np.int32)  # what the server holds of client 0
leak_correlation = abs(np.corrcoef(seen, updates[0])[0, 1])
assert leak_correlation < 0.1

# %% name="drop-and-recover"
dropped = 3  # agreed on keys, then lost its connection before uploading
alive = [c for c in CLIENTS if c != dropped]
helpers = alive[:THRESHOLD]
plain = sum(
    np.round(updates[c] * SCALE).astype(np.int64) for c in alive
)  # for the check only: no server sees it
total = sum(uploads[c] for c in alive)
for c in alive:  # of a survivor the helpers reveal the own mask ...
    total = total - stream(join({h: seed_shares[c][h] for h in helpers}), size)
assert not np.array_equal(
    total.astype(np.int32), plain
)  # the masks shared with the lost client are still in
lost_key = X25519PrivateKey.from_private_bytes(
    join({h: key_shares[dropped][h] for h in helpers})
)
for c in alive:  # ... and of the lost client the key of its pairwise masks
    total = total + pair_mask(lost_key, public[c], dropped, c, size)
assert np.array_equal(total.astype(np.int32), plain)  # exact, not approximate
assert (
    join({h: key_shares[dropped][h] for h in helpers[:2]})
    != keys[dropped].private_bytes_raw()
)  # two are too few

# %% name="late-upload"
late = uploads[
    dropped
]  # it was only slow: the server now holds its upload and the key of its pairwise masks
late = late - sum(pair_mask(lost_key, public[c], dropped, c, size) for c in alive)
exposed = np.round(updates[dropped] * SCALE).astype(np.int64)
assert not np.array_equal(
    late.astype(np.int32), exposed
)  # the own mask still covers it
assert np.array_equal(
    (late - stream(own_seed[dropped], size)).astype(np.int32), exposed
)  # so never reveal both


# %% name="round-result"
def accuracy_after(step: np.ndarray) -> float:
    model = build()
    nn.utils.vector_to_parameters(
        torch.tensor(flat(common) + step, dtype=torch.float32), model.parameters()
    )
    return (model(X[others]).argmax(1) == truth[others]).float().mean().item()


before, after = (
    accuracy_after(np.zeros(size)),
    accuracy_after(total.astype(np.int32) / SCALE / len(alive)),
)
averaged = accuracy_after(
    np.mean([updates[c] for c in alive], axis=0)
)  # federated averaging in the clear
assert after > before + 0.3 and abs(after - averaged) < 0.01
print(
    f"{size:,} parameters; accuracy {before:.1%} -> {after:.1%}; averaging in the clear gives {averaged:.1%}"
)

# %% name="server-view" tags=["hide-input", "volatile"]
keys = {
    c: X25519PrivateKey.generate() for c in CLIENTS
}  # another round: new keys and new seeds, a mask is never used twice
public, own_seed = (
    {c: key.public_key() for c, key in keys.items()},
    {c: secrets.token_bytes(32) for c in CLIENTS},
)
masked = upload(0, gradient) / SCALE
from_masked = (
    masked[:4096].reshape(64, 64)[unit] / masked[4096:4160][unit]
)  # the same quotient on what secure aggregation sends
fig, axes = plt.subplots(1, 3, figsize=(7, 2.6), layout="constrained")
titles = ["private record", "from its plain gradient", "from its masked upload"]
for ax, image, title in zip(
    axes, [record[0], recovered, from_masked], titles, strict=True
):
    ax.imshow(np.reshape(image, (8, 8)), cmap="viridis")
    ax.set(title=title, xlabel="pixel", ylabel="pixel")
plt.show()

# %% name="envelope"
OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)
kms = rsa.generate_private_key(
    public_exponent=65537, key_size=3072
)  # the private half never leaves the key service


def seal(text: bytes, context: bytes) -> tuple[bytes, bytes, bytes]:
    data_key, nonce = (
        AESGCM.generate_key(256),
        os.urandom(12),
    )  # a new key for each record, so a nonce cannot repeat
    return (
        kms.public_key().encrypt(data_key, OAEP),
        nonce,
        AESGCM(data_key).encrypt(nonce, text, context),
    )


def unseal(wrapped: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    return AESGCM(kms.decrypt(wrapped, OAEP)).decrypt(nonce, sealed, context)


prompt = b"user: my biopsy result came back, what does it mean? " * 40
envelope = seal(prompt, context=b"tenant=7;purpose=support")
assert unseal(*envelope, context=b"tenant=7;purpose=support") == prompt
refused = []
for attempt in (
    lambda: unseal(
        *envelope, context=b"tenant=7;purpose=training"
    ),  # another purpose than consented to
    lambda: kms.public_key().encrypt(prompt, OAEP),
):  # RSA alone
    try:
        attempt()
    except (InvalidTag, ValueError) as error:
        refused.append(type(error).__name__)
assert refused == ["InvalidTag", "ValueError"]
prompt_bytes, rsa_limit = len(prompt), 3072 // 8 - 2 * 32 - 2  # RFC 8017, 7.1.1
assert (
    len(kms.public_key().encrypt(bytes(rsa_limit), OAEP)) == 384
    and prompt_bytes > rsa_limit
)

# %% name="privacy-proxy"
PATTERNS = {
    "PHONE": r"(?<!\d)1[3-9]\d{9}(?!\d)",
    "ID": r"(?<!\d)\d{17}[\dX](?!\d)",
    "EMAIL": r"[\w.+-]+@[\w-]+\.[\w.]+",
}


def redact(text: str) -> tuple[str, dict[str, str]]:
    vault: dict[
        str, str
    ] = {}  # stays in our network; only the text goes to the model's provider
    for kind, pattern in PATTERNS.items():
        for value in dict.fromkeys(re.findall(pattern, text)):
            vault[f"<{kind}_{len(vault)}>"] = value
            text = text.replace(value, f"<{kind}_{len(vault) - 1}>")
    return text, vault


question = "Zhang Wei, 13812345678, ID 11010519491231002X, zw@example.com, lives by the east gate: write to him."
outgoing, vault = redact(question)
restored = outgoing
for token, value in vault.items():
    restored = restored.replace(token, value)
replaced = len(vault)
assert (
    restored == question
    and not any(value in outgoing for value in vault.values())
    and replaced == 3
)
assert (
    "Zhang Wei" in outgoing and "east gate" in outgoing
)  # patterns know no names and no places
print(outgoing)

# %% name="scaling-is-no-cipher"
normalised = (X - 0.5) / 0.5  # what image pipelines do; some call it encryption
assert torch.allclose(
    normalised * 0.5 + 0.5, X
)  # undone with public constants and no key
