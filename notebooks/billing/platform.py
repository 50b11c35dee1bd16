# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何设计按需付费的 AI 能力平台？ · How would you design a platform that sells AI by usage?
# 整个平台的缩小版：网关、钱包、账本、调度器和两种 AI 能力都是真实进程；客户注册、充值、调用、核对账单，然后攻击它。
# The whole platform in small, in real processes: gateways, wallet, ledger, scheduler, two AI abilities; a client signs up, tops up, calls, checks the bill, then attacks it.

# %% name="arithmetic"
import pandas as pd

MILLION, CENT = 1_000_000, 10_000  # money is counted in whole micro-dollars (u$)
calls_per_day, peak_factor, seconds_per_call = 50_000_000, 4, 6
tokens_in, tokens_out, price_in, price_out = (
    600,
    250,
    3,
    15,
)  # per call; $ per million tokens, which is u$ per token
tokens_per_gpu, assumed_bytes = (
    2_500,
    1_000,
)  # output tokens/s of a GPU, billing rows of a call: assumed

peak_calls = calls_per_day / 86_400 * peak_factor
peak_transactions = 2 * peak_calls  # one to reserve, one to settle
in_flight = peak_calls * seconds_per_call  # Little's law
gpus = peak_calls * tokens_out / tokens_per_gpu
gb_per_day = calls_per_day * assumed_bytes / 1e9
call_price = tokens_in * price_in + tokens_out * price_out  # u$
call_cents = call_price / CENT
fee_ratio = (
    300_000 + 0.029 * call_price
) / call_price  # a card payment for each call: 30 cents and 2.9%
topup_fee = (300_000 + 0.029 * 20 * MILLION) / (20 * MILLION)  # one card payment of $20
slice_calls = (
    MILLION // call_price
)  # calls that a slice of $1, taken from the wallet at once, pays for
daily_leak = (
    calls_per_day * call_price / MILLION / 1_000
)  # $ a day if one call in a thousand escapes the meter
pd.DataFrame(
    [
        ("calls at peak", f"{peak_calls:,.0f} /s"),
        ("database transactions at peak", f"{peak_transactions:,.0f} /s"),
        ("calls in flight at peak", f"{in_flight:,.0f}"),
        ("GPUs at peak", f"{gpus:,.0f}"),
        ("billing rows", f"{gb_per_day:,.0f} GB/day"),
        ("price of a call", f"{call_price:,} u$ = {call_cents} cents"),
    ],
    columns=["quantity", "value"],
)

# %% name="start"
import pathlib
import secrets

import psycopg
from local_postgres import start_postgres
from services import start

[dsn], stop_postgres = start_postgres("platform")
db = psycopg.connect(
    dsn, autocommit=True
)  # the operator's and the auditor's connection
db.execute(pathlib.Path("schema.sql").read_text())
PRICES = {
    ("generate", "input_token"): 27_500_000,
    ("generate", "output_token"): 150_000_000,
    ("vision", "image"): 1_250_000_000,
}
for (ability, unit), rate in PRICES.items():
    db.execute(
        "INSERT INTO price VALUES (1, %s, %s, %s)", (ability, unit, rate)
    )  # u$ per million units
PSP_SECRET = secrets.token_hex(32)  # shared with the payment provider, out of band
gateways = dict(start("gateway.py", DSN=dsn, PSP_SECRET=PSP_SECRET) for _ in range(2))
print(
    db.execute("SELECT split_part(version(), ' on', 1)").fetchone()[0],
    "and",
    len(gateways),
    "gateways",
)

# %% name="abilities"
import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from worker import tokenize

TEXT = """the gateway checks the key. the gateway checks the wallet. the wallet holds the money before the model runs. the money goes
back to the wallet. the scheduler picks the worker. the worker runs the model. the worker counts the tokens. the model runs on the
worker. the ledger records two sides of every transfer. the ledger checks every transfer. a retry with the same key is not charged.
a call is charged in full. a failed call is not charged. every token is counted. every call is counted. the tokens of every call
go to the ledger. the bill adds up to the cent. the key of the wallet goes to the gateway."""
sentences = [["<s>", "<s>", *tokenize(s), "."] for s in TEXT.split(".") if s.strip()]
vocabulary = ["<unk>", *sorted({token for s in sentences for token in s})]
ids = [[vocabulary.index(token) for token in s] for s in sentences]
trigrams = np.array([s[i : i + 3] for s in ids for i in range(len(s) - 2)])
one_hot, size = np.eye(len(vocabulary)), len(vocabulary)
language = LogisticRegression(C=100).fit(
    np.hstack([one_hot[trigrams[:, 0]], one_hot[trigrams[:, 1]]]), trigrams[:, 2]
)
text, text_bias = (
    np.zeros((size, 2 * size)),
    np.full(size, -np.inf),
)  # a word never seen as third is never produced
text[language.classes_], text_bias[language.classes_] = (
    language.coef_,
    language.intercept_,
)

x_train, x_test, y_train, y_test = train_test_split(
    *load_digits(return_X_y=True), random_state=0
)
reader = LogisticRegression(max_iter=300).fit(x_train / 16, y_train)
vision_accuracy = reader.score(x_test / 16, y_test)
assert vision_accuracy > 0.93
np.savez(
    "weights.npz",
    vocabulary=vocabulary,
    text=text,
    text_bias=text_bias,
    image=reader.coef_,
    image_bias=reader.intercept_,
)
workers = dict(start("worker.py") for _ in range(2))
db.cursor().executemany(
    "INSERT INTO worker VALUES (%s)", [(url,) for url in workers]
)  # the scheduler finds them here
print(
    f"{size} words, {len(trigrams)} trigrams; digits read with accuracy {vision_accuracy:.3f}; {len(workers)} workers"
)

# %% name="client"
import hashlib
import hmac
import json
import time

import httpx

http = httpx.Client(timeout=30, limits=httpx.Limits(max_connections=64))
front = list(gateways)


def sign_up(name: str) -> dict:
    return http.post(front[0] + "/v1/signup", params={"name": name}).json()


def provider_says(
    event: str, customer: int, cents: int, secret: str = PSP_SECRET, age: int = 0
) -> int:
    """The payment provider reports a payment: a signed webhook."""
    body, at = (
        json.dumps({"id": event, "customer": customer, "cents": cents}).encode(),
        str(int(time.time()) - age),
    )
    signature = hmac.new(
        secret.encode(), at.encode() + b"." + body, "sha256"
    ).hexdigest()
    return http.post(
        front[1] + "/webhooks/payment",
        content=body,
        headers={"timestamp": at, "signature": signature},
    ).status_code


def call(
    api_key: str | None, ability: str, body: dict, key: str, gateway: int = 0
) -> httpx.Response:
    headers = {"Idempotency-Key": key} | (
        {"Authorization": f"Bearer {api_key}"} if api_key else {}
    )
    return http.post(f"{front[gateway]}/v1/{ability}", json=body, headers=headers)


def bill_of(api_key: str) -> dict:
    return http.get(
        front[1] + "/v1/bill", headers={"Authorization": f"Bearer {api_key}"}
    ).json()


ada = sign_up("Ada")
ada_key = ada["api_key"]
assert provider_says("evt_1", ada["customer"], 500) == 200
prompts = [
    "the gateway",
    "a retry",
    "the scheduler",
    "the bill",
    "a failed call",
    "the tokens",
]
receipts = [
    call(
        ada_key,
        "generate",
        {"prompt": prompts[i % 6], "max_tokens": 16},
        f"g{i}",
        i % 2,
    ).json()
    for i in range(24)
]
receipts += [
    call(ada_key, "vision", {"pixels": list(x_test[i])}, f"v{i}", i % 2).json()
    for i in range(12)
]
pd.DataFrame(
    [
        {
            "call": r["id"],
            "output": r["output"],
            "usage": ", ".join(f"{n} {u}" for u, n in r["usage"].items()),
            "charge [u$]": r["charge"],
        }
        for r in receipts[:4] + receipts[24:26]
    ]
)

# %% name="bill"
bill = bill_of(ada_key)
unrounded = sum(
    n * PRICES["generate" if "token" in unit else "vision", unit]
    for r in receipts
    for unit, n in r["usage"].items()
)
rounded_away = (
    unrounded / MILLION - bill["charged"]
)  # u$ in the customer's favour, all calls together
assert bill["charged"] == sum(
    r["charge"] for r in receipts
) and 0 <= rounded_away < len(receipts)
assert bill["topped_up"] - bill["charged"] == bill["balance"]  # calls and ledger agree
assert (
    sum(line["cents"] for line in bill["lines"])
    == bill["cents"]
    == round(bill["charged"] / CENT)
)
separately = sum(
    round(line["u$"] / CENT) for line in bill["lines"]
)  # each line rounded by itself
assert separately != bill["cents"]
bill_calls, bill_micro, bill_cents, topped_up = (
    len(receipts),
    bill["charged"],
    bill["cents"],
    bill["topped_up"],
)
balance = bill["balance"]
pd.DataFrame(
    [
        *bill["lines"],
        {
            "ability": "total",
            "calls": bill_calls,
            "u$": bill_micro,
            "cents": bill_cents,
        },
    ]
)

# %% name="attacks"
bob_key, digit = (
    sign_up("Bob, who has no money")["api_key"],
    {"pixels": list(x_test[0])},
)


def money(key: str) -> int:
    return bill_of(key)["balance"]


attacks = {
    "no key": lambda: call(None, "vision", digit, "a").status_code,
    "guessed key": lambda: (
        call("sk_" + secrets.token_urlsafe(32), "vision", digit, "a").status_code
    ),
    "no funds": lambda: call(bob_key, "vision", digit, "a").status_code,
    "max_tokens = -1000": lambda: (
        call(
            ada_key, "generate", {"prompt": "the", "max_tokens": -1000}, "b"
        ).status_code
    ),
    "forged payment": lambda: provider_says(
        "evt_2", ada["customer"], 100_000, secret="guess"
    ),
    "stale payment": lambda: provider_says(
        "evt_3", ada["customer"], 100_000, age=3_600
    ),
    "payment delivered again": lambda: provider_says("evt_1", ada["customer"], 500),
    "old key, other request": lambda: call(ada_key, "vision", digit, "g0").status_code,
}
rows = []
for name, attack in attacks.items():
    before = money(ada_key) + money(bob_key)
    rows.append((name, attack(), money(ada_key) + money(bob_key) - before))
assert [status for _, status, _ in rows] == [
    401,
    401,
    402,
    422,
    400,
    400,
    200,
    422,
] and not any(moved for *_, moved in rows)
pd.DataFrame(rows, columns=["attack", "HTTP status", "money moved [u$]"])

# %% name="races"
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor


def at_once(n: int, work) -> list:
    ready = threading.Barrier(n)
    with ThreadPoolExecutor(n) as pool:
        return list(pool.map(lambda i: (ready.wait(), work(i))[1], range(n)))


before = money(ada_key)
twins = at_once(
    8, lambda i: call(ada_key, "vision", digit, "same key", i % 2)
)  # eight tries of one call on two gateways
again = call(ada_key, "vision", digit, "same key").json()
twins_charged = before - money(ada_key)
assert twins_charged == again["charge"] == 1_250 and {r.status_code for r in twins} <= {
    200,
    409,
}
assert all(r.json() == again for r in twins if r.status_code == 200)

cleo = sign_up("Cleo, who has one cent")
provider_says("evt_4", cleo["customer"], 1)
storm = Counter(
    r.status_code
    for r in at_once(
        40, lambda i: call(cleo["api_key"], "vision", digit, f"s{i}", i % 2)
    )
)
storm_served, storm_refused, storm_left = storm[200], storm[402], money(cleo["api_key"])
assert (
    storm == {200: 8, 402: 32} and storm_left == 0
)  # a cent buys exactly eight images
print(
    f"8 tries of one call: {twins_charged:,} u$; 40 calls for one cent: {storm_served} served, {storm_refused} refused, {storm_left} u$ left"
)

# %% name="failover"
before, (first, second) = money(ada_key), workers.values()
first.kill()  # SIGKILL: no goodbye
first.wait()
survived = [
    call(ada_key, "vision", digit, f"f{i}", i % 2).status_code for i in range(10)
]
second.kill()
second.wait()
down, while_down = call(ada_key, "vision", digit, "patient").status_code, money(ada_key)
url, workers["fresh"] = start("worker.py")
db.execute("INSERT INTO worker VALUES (%s)", [url])
retried = call(
    ada_key, "vision", digit, "patient"
).status_code  # the same key: a failed attempt does not block it
assert survived == [200] * 10 and while_down == before - 10 * 1_250
assert (down, retried) == (503, 200) and money(ada_key) == while_down - 1_250
survived_calls = len(survived)
print(
    f"one worker killed: {survived}\nboth killed: {down}, nothing charged; a new one, the same key: {retried}, charged once"
)


# %% name="books"
def refusal(sql: str) -> str:
    try:
        db.execute(sql)
    except psycopg.errors.RaiseException as error:
        return error.diag.message_primary
    return "accepted"


def one(sql: str):
    return db.execute(sql).fetchone()[0]


books = dict(
    db.execute(
        "SELECT split_part(account, ':', 1), sum(amount)::bigint FROM posting GROUP BY 1 ORDER BY 1"
    ).fetchall()
)
settled_calls, revenue = db.execute(
    "SELECT count(*), sum(charge)::bigint FROM call WHERE state = 'settled'"
).fetchone()
assert sum(books.values()) == 0 == books["held"] and books["revenue"] == revenue
assert books["psp"] == -501 * CENT  # what the payment provider's own report says
assert one(
    "SELECT bool_and(balance = coalesce((SELECT sum(amount) FROM posting p WHERE p.account = w.account), 0)) FROM wallet w"
)
assert (
    refusal("INSERT INTO posting VALUES (1, 'wallet:1', 1000000)") == "unbalanced entry"
)
assert (
    refusal("UPDATE posting SET amount = 0")
    == refusal("DELETE FROM posting")
    == "the ledger is append-only"
)

log = pathlib.Path("gateway.log").read_text()
stored = log + str(
    [
        db.execute(f"SELECT t::text FROM {table} t").fetchall()
        for table in ("customer", "api_key", "call")
    ]
)
assert (
    not any(key in stored for key in (ada_key, bob_key, cleo["api_key"]))
    and hashlib.sha256(ada_key.encode()).hexdigest() in stored
)
row_bytes = sum(
    one(f"SELECT sum(pg_column_size(t.*)) FROM {table} t")
    for table in ("call", "transfer", "posting")
)
bytes_per_call, log_lines = float(row_bytes / settled_calls), log.count("\n")
assert bytes_per_call < assumed_bytes
pd.DataFrame({"account": list(books), "sum of postings [u$]": list(books.values())})

# %% name="rounding"
to_nearest = sum((r["charge"] + CENT // 2) // CENT for r in receipts)
to_next = sum(-(-r["charge"] // CENT) for r in receipts)
assert to_nearest == 0 and to_next == len(receipts) > 5 * bill_cents
pd.DataFrame(
    {
        "rounding": [
            "none, then once on the bill",
            "each call to the nearest cent",
            "each call up to a cent",
        ],
        "Ada's bill [cents]": [bill_cents, to_nearest, to_next],
    }
)

# %% name="check-then-charge"
db.execute("CREATE TABLE naive AS SELECT 10000::bigint AS balance")  # one cent
everyone_has_read = threading.Barrier(20)


def check_then_charge(_) -> bool:
    with psycopg.connect(dsn) as own:
        balance = own.execute("SELECT balance FROM naive").fetchone()[0]
        everyone_has_read.wait()  # stands for any pause between the two statements, at worst the model itself
        if balance < 1_250:
            return False
        own.execute("UPDATE naive SET balance = %s", [balance - 1_250])
    return True


naive_served, naive_taken = (
    sum(at_once(20, check_then_charge)),
    10_000 - one("SELECT balance FROM naive"),
)
assert naive_served == 20 and naive_taken == 1_250
print(
    f"one cent buys 8 images; check-then-charge served {naive_served} and took the money for {naive_taken // 1_250}"
)

# %% name="bottleneck" tags=["volatile"]
LOCK, REPEAT, writers = (
    0.010,
    8,
    [1, 2, 4, 8],
)  # seconds a transaction keeps its row: round trips between gateway and database
db.execute(
    "CREATE TABLE total AS SELECT i AS id, 0::bigint AS amount FROM generate_series(0, 8) i"
)
db.execute("ALTER TABLE total ADD PRIMARY KEY (id)")


def settlements_per_second(n: int, shared_row: bool) -> float:
    def settle(i: int) -> float:
        with psycopg.connect(dsn, autocommit=True) as own:
            ready.wait()
            begin = time.perf_counter()
            for _ in range(REPEAT):
                with own.transaction():
                    own.execute(
                        "UPDATE total SET amount = amount + 1 WHERE id = %s",
                        [0 if shared_row else i + 1],
                    )
                    time.sleep(LOCK)
            return begin

    ready = threading.Barrier(n)
    with ThreadPoolExecutor(n) as pool:
        begin = min(pool.map(settle, range(n)))
    return n * REPEAT / (time.perf_counter() - begin)


shared, own_rows = (
    [settlements_per_second(n, kind) for n in writers] for kind in (True, False)
)
row_limit, shared_8, own_8 = 1 / LOCK, shared[-1], own_rows[-1]
assert max(shared) < row_limit * 1.01 and own_8 > 1.5 * shared_8
assert one("SELECT sum(amount) FROM total") == 2 * REPEAT * sum(
    writers
)  # slow or fast, nothing is lost
row_share, row_calls, lock_ms = row_limit / peak_calls, row_limit / 2, LOCK * 1_000

# %% name="bottleneck-figure" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.plot(writers, own_rows, "o-", label="each writer its own row (a wallet)")
ax.plot(writers, shared, "s-", label="all writers one row (total revenue)")
ax.axhline(row_limit, linestyle=":", color="C2", label="1 / time a row is locked")
ax.set(xlabel="concurrent writers", ylabel="settlements [1/s]", ylim=0, xticks=writers)
ax.legend()
plt.show()

# %% name="stop"
http.close()
db.close()
for process in [*gateways.values(), *workers.values()]:
    process.kill()
    process.wait()
stop_postgres()
assert not pathlib.Path("pgdata").exists()
