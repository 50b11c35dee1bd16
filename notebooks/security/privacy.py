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
import warnings

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from accounts import bound, exact_epsilon, spent
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from opacus import PrivacyEngine
from opacus.accountants import PRVAccountant, RDPAccountant
from opacus.accountants.utils import get_noise_multiplier
from secagg import Client, join, pair_mask, real, split, stream, words
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)  # the model is tiny: threads would only wait for each other
# Opacus reminds us on every run that the noise generator is not cryptographic.
warnings.filterwarnings("ignore", module="opacus")
warnings.filterwarnings("ignore", message="Full backward hook")

# %% name="data"
# 1,797 real scans of handwritten digits, 8 x 8 pixels
pixels, digits = load_digits(return_X_y=True)
X, truth = torch.tensor(pixels / 16, dtype=torch.float32), torch.tensor(digits)


def draw(seed: int) -> tuple[torch.Tensor, ...]:
    """900 members, the others, labels of which a tenth is wrong, and which are."""
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(X), generator=rng)
    wrong = torch.rand(len(X), generator=rng) < 0.1
    shift = torch.randint(1, 10, (len(X),), generator=rng)
    labels = torch.where(wrong, (truth + shift) % 10, truth)
    return order[:900], order[900:], labels, wrong


# %% name="dp-training"
DELTA = 1e-4  # well below 1 / 900 records


def build() -> nn.Sequential:
    return nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10))


def train(x, y, seed: int, epochs: int, sigma: float = 0, lr: float = 0.5):
    """The trained model and the ε it has spent."""
    torch.manual_seed(seed)
    model = build()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9)
    loader = DataLoader(TensorDataset(x, y), batch_size=180, shuffle=True)
    engine = PrivacyEngine(accountant="rdp")
    if sigma:
        # Poisson batches; each record's gradient is clipped to norm 1, and Gaussian
        # noise of deviation sigma is added to the sum.
        dp = dict(noise_multiplier=sigma, max_grad_norm=1.0)
        model, optimizer, loader = engine.make_private(
            module=model, optimizer=optimizer, data_loader=loader, **dp
        )
    for _ in range(epochs):
        for batch, labels in loader:
            optimizer.zero_grad()
            cross_entropy(model(batch), labels).backward()
            optimizer.step()
    return model, engine.get_epsilon(DELTA) if sigma else np.inf


# 20 epochs are 100 steps, each of which draws a record with probability 0.2.
PLAN = dict(target_delta=DELTA, sample_rate=0.2, epochs=20, accountant="rdp")
sigma_8, sigma_3, sigma_1 = (
    get_noise_multiplier(target_epsilon=e, **PLAN) for e in (8, 3, 1)
)


# %% name="attack"
def advantage(members: torch.Tensor, others: torch.Tensor) -> float:
    """Call a record a member if its loss is low: true minus false positive rate.

    The threshold is chosen on one half of the losses and scored on the other."""

    def gap(a, b, threshold):
        return (a <= threshold).float().mean(-1) - (b <= threshold).float().mean(-1)

    candidates = torch.cat([members[::2], others[::2]])[:, None]
    best = candidates[gap(members[::2], others[::2], candidates).argmax()]
    return gap(members[1::2], others[1::2], best).item()


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
        model, epsilon = train(X[members], labels[members], seed, **setting)
        row = {"setting": name, "spent ε": epsilon}
        rows.append(row | measure(model, members, others, labels, wrong))
runs = pd.DataFrame(rows).groupby("setting", sort=False)
mean = runs.mean()
mean["bound on advantage"] = [bound(epsilon, DELTA) for epsilon in mean["spent ε"]]
mean.round(3)

# %% name="claims" tags=["hide-input"]
acc_none, acc_stop, acc_8, acc_3, acc_1 = mean["accuracy"]
adv_none, adv_stop, adv_8, adv_3, adv_1 = mean["advantage"]
mem_none, mem_stop, mem_8, mem_3, mem_1 = mean["memorised"]
mem_rest = mean["memorised"].iloc[1:].max()
dp = mean.iloc[2:]
bound_8, bound_3, bound_1 = dp["bound on advantage"]

# The budget is used, and never exceeded.
assert (dp["spent ε"] <= [8, 3, 1]).all() and (dp["spent ε"] > [7.2, 2.7, 0.9]).all()
assert mem_none > 0.8 and mem_rest < 0.3
assert adv_none > 0.18 and max(adv_8, adv_3, adv_1) < adv_none / 2
assert (mean["advantage"] <= mean["bound on advantage"]).all()
assert acc_8 > 0.8 and acc_1 < acc_8 - 0.1

# %% name="privacy-utility" tags=["hide-input"]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
at = range(len(mean))
low, high = runs.min(), runs.max()
curves = {
    "accuracy": "accuracy on new records",
    "memorised": "wrong training labels recited",
    "advantage": "attacker's advantage",
}
for column, label in curves.items():
    spread = [mean[column] - low[column], high[column] - mean[column]]
    ax.errorbar(at, mean[column], yerr=spread, marker="o", capsize=3, label=label)
ax.plot(at, mean["bound on advantage"], "--", label="bound on any attack")
ax.set_xticks(at, mean.index)
ax.set(xlabel="training (privacy grows to the right)", ylabel="fraction")
ax.set_ylim(-0.08, 1.05)
fig.legend(fontsize=8, loc="outside upper center", ncols=4)
plt.show()

# %% name="accounting"
eps_exact = exact_epsilon(sigma=4, steps=20, delta=DELTA)
eps_prv = spent(PRVAccountant, 4, 1, 20, DELTA)
eps_rdp = spent(RDPAccountant, 4, 1, 20, DELTA)
# Every record joins a fifth of the steps only.
eps_sampled = spent(PRVAccountant, 4, 0.2, 20, DELTA)
# The training at ε = 3 above; then ten of them, to choose a learning rate.
eps_one = spent(PRVAccountant, sigma_3, 0.2, 100, DELTA)
eps_tuned = spent(PRVAccountant, sigma_3, 0.2, 10 * 100, DELTA)
assert eps_exact - 0.01 <= eps_prv < eps_exact + 0.1 < eps_rdp
assert eps_sampled < eps_exact / 3 and 2 * eps_one < eps_tuned < 10 * eps_one
epsilons = {
    "exact, no sampling": eps_exact,
    "PRV accountant": eps_prv,
    "RDP accountant": eps_rdp,
    "PRV, rate 0.2": eps_sampled,
    "PRV, one run at ε = 3": eps_one,
    "PRV, ten runs": eps_tuned,
}
pd.Series(epsilons).round(2).to_frame("ε at δ = 0.0001")

# %% name="one-user-many-records"
recited = []
for seed in range(3):
    members, others, labels, wrong = draw(seed)
    planted = members[wrong[members]]
    # Eight wrong records appear twenty times, the others once.
    heavy, light = planted[:8], planted[8:]
    used = torch.cat([members, heavy.repeat(19)])
    model, eps_heavy = train(X[used], labels[used], seed, epochs=20, sigma=sigma_3)
    with torch.no_grad():
        hit = (model(X).argmax(1) == labels).float()
    recited.append((hit[heavy].mean().item(), hit[light].mean().item()))
twenty_copies, one_copy = np.mean(recited, axis=0)
assert twenty_copies > 0.6 and one_copy < 0.2 and eps_heavy < 3
print(f"ε = {eps_heavy:.2f} per record; wrong label recited:")
print(f"20 copies {twenty_copies:.0%}, 1 copy {one_copy:.0%}")


# %% name="gradient-leak"
def flat(tensors) -> np.ndarray:
    return nn.utils.parameters_to_vector(tensors).detach().double().numpy()


torch.manual_seed(0)
model, record = build(), X[:1]
cross_entropy(model(record), truth[:1]).backward()
gradient = flat(p.grad for p in model.parameters())
weight, bias = model[0].weight.grad, model[0].bias.grad
unit = bias.abs().argmax()
recovered = weight[unit] / bias[unit]  # dL/dW = (dL/db) x: the quotient is the input
leak_error = (recovered - record[0]).abs().max().item()
assert leak_error < 1e-3

# %% name="federated-round"
THRESHOLD = 3
clients = {c: Client(c) for c in range(5)}
public = {c: client.key.public_key() for c, client in clients.items()}
key_shares = {  # sent through the server; in production encrypted from client to client
    c: split(client.key.private_bytes_raw(), range(5), THRESHOLD)
    for c, client in clients.items()
}
seed_shares = {
    c: split(client.own_seed, range(5), THRESHOLD) for c, client in clients.items()
}

torch.manual_seed(0)
common = flat(build().parameters())  # train() with seed 0 starts from these weights
members, others, _, _ = draw(0)
updates, uploads = {}, {}
for c, client in clients.items():
    mine = members[c::5]
    model, _ = train(X[mine], truth[mine], seed=0, epochs=20)
    updates[c] = flat(model.parameters()) - common
    uploads[c] = client.upload(updates[c], public)
size = common.size
leak_correlation = abs(np.corrcoef(real(uploads[0]), updates[0])[0, 1])
assert leak_correlation < 0.1  # what the server holds of client 0 tells it nothing

# %% name="drop-and-recover"
lost, alive = 3, [0, 1, 2, 4]  # client 3 agreed on keys and never uploaded


def restore(shares: dict[int, int], helpers: list[int]) -> bytes:
    return join({h: shares[h] for h in helpers})


# For the check only: no server sees it.
expected = sum(words(updates[c]) for c in alive)
total = sum(uploads[c] for c in alive)
for c in alive:  # of a survivor the helpers reveal the own mask ...
    total = total - stream(restore(seed_shares[c], [0, 1, 2]), size)
assert not np.array_equal(total, expected)  # the lost client's masks are still in

lost_secret = restore(key_shares[lost], [0, 1, 2])  # ... of the lost one, its key
lost_key = X25519PrivateKey.from_private_bytes(lost_secret)
lost_masks = sum(pair_mask(lost_key, public[c], lost, c, size) for c in alive)
total = total + lost_masks
assert np.array_equal(total, expected)  # exact, not approximate
assert restore(key_shares[lost], [0, 1]) != lost_secret  # two are too few

# If its upload arrives late after all, only its own mask still covers it.
late, exposed = uploads[lost] - lost_masks, words(updates[lost])
assert not np.array_equal(late, exposed)
assert np.array_equal(late - stream(clients[lost].own_seed, size), exposed)


# %% name="round-result"
def accuracy_after(step: np.ndarray) -> float:
    model = build()
    weights = torch.tensor(common + step, dtype=torch.float32)
    nn.utils.vector_to_parameters(weights, model.parameters())
    return (model(X[others]).argmax(1) == truth[others]).float().mean().item()


before = accuracy_after(np.zeros(size))
after = accuracy_after(real(total) / len(alive))
in_the_clear = accuracy_after(np.mean([updates[c] for c in alive], axis=0))
assert after > before + 0.3 and abs(after - in_the_clear) < 0.01
print(f"{size:,} parameters; accuracy {before:.1%} -> {after:.1%}")
print(f"averaging in the clear: {in_the_clear:.1%}")

# %% name="server-view" tags=["hide-input", "volatile"]
# Another round, so new keys and seeds: the same quotient on a masked gradient.
clients = {c: Client(c) for c in range(5)}
public = {c: client.key.public_key() for c, client in clients.items()}
masked = real(clients[0].upload(gradient, public))
from_masked = masked[:4096].reshape(64, 64)[unit] / masked[4096:4160][unit]
images = {
    "private record": record[0],
    "from its plain gradient": recovered,
    "from its masked upload": from_masked,
}
fig, axes = plt.subplots(1, 3, figsize=(7, 2.6), layout="constrained")
for ax, (title, image) in zip(axes, images.items(), strict=True):
    ax.imshow(np.reshape(image, (8, 8)), cmap="viridis")
    ax.set(title=title, xlabel="pixel", ylabel="pixel")
plt.show()

# %% name="envelope"
OAEP = padding.OAEP(mgf=padding.MGF1(SHA256()), algorithm=SHA256(), label=None)
# The private half never leaves the key service.
kms = rsa.generate_private_key(public_exponent=65537, key_size=3072)


def seal(text: bytes, context: bytes) -> tuple[bytes, bytes, bytes]:
    # A new key for each record, so a nonce cannot repeat under it.
    data_key, nonce = AESGCM.generate_key(256), os.urandom(12)
    sealed = AESGCM(data_key).encrypt(nonce, text, context)
    return kms.public_key().encrypt(data_key, OAEP), nonce, sealed


def unseal(wrapped: bytes, nonce: bytes, sealed: bytes, context: bytes) -> bytes:
    return AESGCM(kms.decrypt(wrapped, OAEP)).decrypt(nonce, sealed, context)


def error_of(call, *arguments) -> str:
    try:
        call(*arguments)
    except Exception as error:
        return type(error).__name__
    return "none"


prompt = b"user: my biopsy result came back, what does it mean? " * 40
envelope = seal(prompt, b"tenant=7;purpose=support")
assert unseal(*envelope, b"tenant=7;purpose=support") == prompt
assert error_of(unseal, *envelope, b"tenant=7;purpose=training") == "InvalidTag"
assert error_of(kms.public_key().encrypt, prompt, OAEP) == "ValueError"  # RSA alone
prompt_bytes, rsa_limit = len(prompt), 3072 // 8 - 2 * 32 - 2  # RFC 8017, 7.1.1
assert error_of(kms.public_key().encrypt, bytes(rsa_limit), OAEP) == "none"
assert error_of(kms.public_key().encrypt, bytes(rsa_limit + 1), OAEP) == "ValueError"

# %% name="privacy-proxy"
PERSONAL = re.compile(
    r"(?P<PHONE>(?<!\d)1[3-9]\d{9}(?!\d))"
    r"|(?P<ID>(?<!\d)\d{17}[\dX](?!\d))"
    r"|(?P<EMAIL>[\w.+-]+@[\w-]+\.[\w.]+)"
)


def redact(text: str) -> tuple[str, dict[str, str]]:
    vault = {}  # stays in our network; only the text goes to the provider

    def token(found: re.Match) -> str:
        return vault.setdefault(found.group(), f"<{found.lastgroup}_{len(vault)}>")

    return PERSONAL.sub(token, text), vault


question = "Zhang Wei, 13812345678, ID 11010519491231002X, zw@example.com, "
question += "lives by the east gate: write to him."
outgoing, vault = redact(question)
restored = outgoing
for value, placeholder in vault.items():
    restored = restored.replace(placeholder, value)
replaced = len(vault)
assert replaced == 3 and restored == question
assert not any(value in outgoing for value in vault)
assert "Zhang Wei" in outgoing and "east gate" in outgoing  # patterns know no names
print(outgoing)

# %% name="scaling-is-no-cipher"
normalised = (X - 0.5) / 0.5  # what image pipelines do; some call it encryption
assert torch.allclose(normalised * 0.5 + 0.5, X)  # undone without any key
