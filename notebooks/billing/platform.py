# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 如何设计按需付费的模型服务平台？ · How would you design a platform that sells AI by usage?
# 整个平台的缩小版：网关、钱包、账本、调度器和两种模型都是真实进程；客户注册、充值、调用、核对账单，然后攻击它。
# The whole platform in small, in real processes: gateways, wallet, ledger, scheduler, two models; a client signs up, tops up, calls, checks the bill, then attacks it.

# %% name="arithmetic"
import pandas as pd
from money import CENT, DOLLAR  # money is counted in whole micro-dollars (u$)

calls_per_day, peak_factor, seconds_per_call = 50_000_000, 4, 6
tokens_in, tokens_out = 600, 250  # per call
PRICES = {  # u$ per million units: an example price list
    ("generate", "input_token"): 2_500_000,
    ("generate", "output_token"): 15_000_000,
    ("vision", "image"): 1_250_000_000,
}
tokens_per_gpu = 2_500  # output tokens/s of one GPU: assumed
assumed_bytes = 1_000  # billing rows that one call leaves: assumed
LOCK = 0.010  # seconds a transaction keeps its row: assumed

peak_calls = calls_per_day / 86_400 * peak_factor
peak_transactions = 2 * peak_calls  # one to reserve, one to settle
in_flight = peak_calls * seconds_per_call  # Little's law
gpus = peak_calls * tokens_out / tokens_per_gpu
gb_per_day = calls_per_day * assumed_bytes / 1e9

price_in = PRICES["generate", "input_token"]
price_out = PRICES["generate", "output_token"]
call_price = (tokens_in * price_in + tokens_out * price_out) // DOLLAR  # u$
call_cents = call_price / CENT
fee_ratio = 0.029 + 30 * CENT / call_price  # a card payment for each call
topup_fee = 0.029 + 30 * CENT / (20 * DOLLAR)  # one card payment of $20
slice_calls = DOLLAR // call_price  # calls that $1 pays for
daily_leak = calls_per_day / 1_000 * call_price / DOLLAR  # $: one call in 1,000
pd.DataFrame(
    {
        "calls at peak": f"{peak_calls:,.0f} /s",
        "database transactions at peak": f"{peak_transactions:,.0f} /s",
        "calls in flight at peak": f"{in_flight:,.0f}",
        "GPUs at peak": f"{gpus:,.0f}",
        "billing rows": f"{gb_per_day:,.0f} GB/day",
        "price of a call": f"{call_price:,} u$ = {call_cents} cents",
    }.items(),
    columns=["quantity", "value"],
)

# %% name="sweep-volume" tags=["sweep"] flips="full_from"
row_limit = 1 / LOCK  # updates of one row in a second
full_from = round(row_limit * 86_400 / peak_factor / 1e6, 2)  # million calls a day
volumes = pd.Index([0.05, 0.5, 1, 2, 5, 10, 50], name="calls a day [million]")
peaks = volumes.to_numpy() * 1e6 / 86_400 * peak_factor
shared_row = pd.DataFrame(
    {
        "calls at peak [1/s]": peaks.round(1),
        "shared row in use at peak [%]": (100 * peaks / row_limit).round(1),
        "its lock at most [ms]": (1_000 / peaks).round(1),
    },
    index=volumes,
)
in_use = shared_row["shared row in use at peak [%]"]
assert in_use[volumes < full_from].max() < 100 < in_use[volumes > full_from].min()
assert in_use[0.05] < 5 and in_use[50] > 2_000
shared_row

# %% name="start"
import pathlib
import secrets

import psycopg
from local_postgres import start_postgres
from services import start

[dsn], stop_postgres = start_postgres("platform")
db = psycopg.connect(dsn, autocommit=True)  # the operator's and auditor's connection
db.execute(pathlib.Path("schema.sql").read_text())
for (model, unit), rate in PRICES.items():
    db.execute("INSERT INTO price VALUES (1, %s, %s, %s)", (model, unit, rate))
psp_secret = secrets.token_hex(32)  # shared with the payment provider, out of band
gateways = dict(start("gateway.py", DSN=dsn, PSP_SECRET=psp_secret) for _ in range(2))


def one(sql: str):
    return db.execute(sql).fetchone()[0]


print(one("SELECT split_part(version(), ' on', 1)"), "and", len(gateways), "gateways")

# %% name="models"
from train import train_models

vision_accuracy, images = train_models()
assert vision_accuracy > 0.93
workers = dict(start("worker.py") for _ in range(2))
for url in workers:  # the scheduler finds them here
    db.execute("INSERT INTO worker VALUES (%s)", [url])
print(f"digits read with accuracy {vision_accuracy:.3f}; {len(workers)} workers")

# %% name="client"
from client import Client

client = Client(list(gateways), psp_secret)  # gateways take turns
ada = client.sign_up("Ada")
ada_key = ada["api_key"]
assert client.pay("evt_1", ada["customer"], cents=500).status_code == 200

prompts = ["the gateway", "a retry", "the scheduler"]
prompts += ["the bill", "a failed call", "the tokens"]
receipts = []
for i in range(24):
    body = {"prompt": prompts[i % len(prompts)], "max_tokens": 16}
    receipts.append(client.call(ada_key, "generate", body, key=f"g{i}").json())
for i in range(19):
    body = {"pixels": list(images[i])}
    receipts.append(client.call(ada_key, "vision", body, key=f"v{i}").json())
shown = pd.DataFrame(receipts[:5] + receipts[-2:])
shown.rename(columns={"charge": "charge [u$]"})

# %% name="bill"
bill = client.bill(ada_key)
rates = {unit: rate for (_, unit), rate in PRICES.items()}
unrounded = sum(n * rates[u] for r in receipts for u, n in r["usage"].items()) / DOLLAR
rounded_away = unrounded - bill["charged"]  # u$ in her favour, all calls together
assert bill["charged"] == sum(r["charge"] for r in receipts)
assert 0 < rounded_away < len(receipts)
assert bill["topped_up"] - bill["charged"] == bill["balance"]  # calls and ledger agree
assert sum(line["cents"] for line in bill["lines"]) == bill["cents"]
assert bill["cents"] == round(bill["charged"] / CENT)

separately = sum(round(line["u$"] / CENT) for line in bill["lines"])
assert separately != bill["cents"]  # each line rounded by itself
bill_calls, bill_micro, bill_cents = len(receipts), bill["charged"], bill["cents"]
total = {"model": "total", "calls": bill_calls, "u$": bill_micro, "cents": bill_cents}
pd.DataFrame([*bill["lines"], total])

# %% name="attacks"
from functools import partial

bob_key = client.sign_up("Bob, who has no money")["api_key"]
digit, greedy = {"pixels": list(images[0])}, {"prompt": "the", "max_tokens": -1_000}
call = partial(client.call, api_key=ada_key, model="vision", body=digit, key="new")
pay = partial(client.pay, event="evt_2", customer=ada["customer"], cents=100_000)
attacks = [
    ("no key", 401, call, {"api_key": None}),
    ("guessed key", 401, call, {"api_key": "sk_" + secrets.token_urlsafe(32)}),
    ("no funds", 402, call, {"api_key": bob_key}),
    ("max_tokens = -1000", 422, call, {"model": "generate", "body": greedy}),
    ("old key, other request", 422, call, {"key": "g0"}),
    ("forged payment", 400, pay, {"secret": "guess"}),
    ("stale payment", 400, pay, {"age": 3_600}),
    ("payment delivered again", 200, pay, {"event": "evt_1", "cents": 500}),
]
rows = []
for name, expected, send, changes in attacks:
    before = one("SELECT sum(balance)::bigint FROM wallet")
    status = send(**changes).status_code
    moved = one("SELECT sum(balance)::bigint FROM wallet") - before
    assert status == expected and moved == 0, name
    rows.append((name, status, moved))
pd.DataFrame(rows, columns=["attack", "HTTP status", "money moved [u$]"])

# %% name="races"
from collections import Counter

from services import at_once


def money(api_key: str) -> int:
    return client.bill(api_key)["balance"]


before = money(ada_key)
twins = at_once(8, lambda i: call(key="same key"))  # eight tries of one call
answer = call(key="same key").json()
twins_charged = before - money(ada_key)
assert twins_charged == answer["charge"] == 1_250
assert {r.status_code for r in twins} <= {200, 409}
assert all(r.json() == answer for r in twins if r.status_code == 200)

cleo = client.sign_up("Cleo, who has one cent")
cleo_key = cleo["api_key"]
pay(event="evt_4", customer=cleo["customer"], cents=1)
storm = at_once(40, lambda i: call(api_key=cleo_key, key=f"s{i}").status_code)
storm_served, storm_refused = Counter(storm)[200], Counter(storm)[402]
storm_left = money(cleo_key)
assert (storm_served, storm_refused, storm_left) == (8, 32, 0)  # a cent buys 8 images
print(f"8 tries of one call: {twins_charged:,} u$")
print(f"40 calls for one cent: {storm_served} served, {storm_refused} refused")

# %% name="failover"
from scheduler import Scheduler
from services import kill

busy, idle = workers
asked, scheduler = [], Scheduler()
scheduler.http.event_hooks = {"request": [lambda sent: asked.append(str(sent.url))]}
scheduler.busy[busy] = 1
scheduler.run([busy, idle], "vision", digit)
assert asked == [f"{idle}/vision"]  # least busy first

before, (first, second) = money(ada_key), workers.values()
kill(first)
survived = [call(key=f"f{i}").status_code for i in range(10)]
assert survived == [200] * 10 and money(ada_key) == before - 10 * 1_250

kill(second)
down, while_down = call(key="patient").status_code, money(ada_key)
assert down == 503 and while_down == before - 10 * 1_250  # not charged

url, workers["fresh"] = start("worker.py")
db.execute("INSERT INTO worker VALUES (%s)", [url])
retried = call(key="patient").status_code  # a failed attempt does not block its key
assert retried == 200 and money(ada_key) == while_down - 1_250
survived_calls = len(survived)
print(f"one worker killed: {survived}")
print(f"both killed: {down}, nothing charged; a new one, same key: {retried}")


# %% name="books"
def refusal(sql: str) -> str:
    try:
        db.execute(sql)
    except psycopg.errors.RaiseException as error:
        return error.diag.message_primary
    return "accepted"


books = dict(
    db.execute(
        """SELECT split_part(account, ':', 1) AS kind, sum(amount)::bigint
           FROM posting GROUP BY kind ORDER BY kind"""
    ).fetchall()
)
assert sum(books.values()) == 0 and books["held"] == 0
assert books["revenue"] == one("SELECT sum(charge) FROM call WHERE state = 'settled'")
assert books["psp"] == -501 * CENT  # what the payment provider's own report says
assert 0 == one(  # wallets whose cached balance is not the sum of their postings
    """SELECT count(*) FROM wallet w WHERE balance <> coalesce(
           (SELECT sum(amount) FROM posting p WHERE p.account = w.account), 0)"""
)
free_money = "INSERT INTO posting VALUES (1, 'wallet:1', 1000000)"
assert refusal(free_money) == "unbalanced entry"
for edit in ("UPDATE posting SET amount = 0", "DELETE FROM posting"):
    assert refusal(edit) == "the ledger is append-only"
pd.DataFrame(books.items(), columns=["account", "sum of postings [u$]"])

# %% name="traces"
import hashlib

log = pathlib.Path("gateway.log").read_text()
stored = log
for table in ("customer", "api_key", "call"):
    stored += str(db.execute(f"SELECT t::text FROM {table} t").fetchall())
assert not any(key in stored for key in (ada_key, bob_key, cleo_key))
assert hashlib.sha256(ada_key.encode()).hexdigest() in stored

settled_calls = one("SELECT count(*) FROM call WHERE state = 'settled'")
row_bytes = sum(
    one(f"SELECT sum(pg_column_size(t.*)) FROM {table} t")
    for table in ("call", "transfer", "posting")
)
bytes_per_call, log_lines = float(row_bytes / settled_calls), log.count("\n")
assert bytes_per_call < assumed_bytes
print(f"{settled_calls} calls, {log_lines} log lines, no API key in them")
print(f"{bytes_per_call:.0f} bytes of billing rows per call, without indexes")

# %% name="bottleneck" tags=["volatile"]
import time

REPEAT = 8  # transactions of each writer
writers = [1, 2, 4, 8]
db.execute("CREATE TABLE total (id int PRIMARY KEY, amount bigint NOT NULL)")
db.execute("INSERT INTO total SELECT i, 0 FROM generate_series(0, 8) i")


def settle(row: int) -> tuple[float, float]:
    with psycopg.connect(dsn, autocommit=True) as own:
        begin = time.perf_counter()
        for _ in range(REPEAT):
            with own.transaction():
                own.execute("UPDATE total SET amount = amount + 1 WHERE id = %s", [row])
                time.sleep(LOCK)  # stands for round trips between gateway and database
        return begin, time.perf_counter()


def settlements_per_second(n: int, shared_row: bool) -> float:
    spans = at_once(n, lambda i: settle(0 if shared_row else i + 1))
    seconds = max(end for _, end in spans) - min(begin for begin, _ in spans)
    return n * REPEAT / seconds


shared = [settlements_per_second(n, shared_row=True) for n in writers]
own_rows = [settlements_per_second(n, shared_row=False) for n in writers]
shared_8, own_8 = shared[-1], own_rows[-1]
assert max(shared) < row_limit * 1.01 and own_8 > 1.5 * shared_8
written = one("SELECT sum(amount) FROM total")
assert written == 2 * REPEAT * sum(writers)  # slow or fast, nothing is lost
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

# %% name="check-then-charge"
import threading

db.execute("CREATE TABLE naive AS SELECT 10000::bigint AS balance")  # one cent
everyone_has_read = threading.Barrier(20)


def check_then_charge(_) -> bool:
    with psycopg.connect(dsn, autocommit=True) as own:
        (balance,) = own.execute("SELECT balance FROM naive").fetchone()
        everyone_has_read.wait()  # stands for any pause between the two statements
        if balance >= 1_250:
            own.execute("UPDATE naive SET balance = %s", [balance - 1_250])
        return balance >= 1_250


naive_served = sum(at_once(20, check_then_charge))
naive_taken = 10_000 - one("SELECT balance FROM naive")
assert naive_served == 20 and naive_taken == 1_250
print(f"one cent buys 8 images; served {naive_served}, took {naive_taken:,} u$")

# %% name="rounding"
to_nearest = sum((r["charge"] + CENT // 2) // CENT for r in receipts)
to_next = sum(-(-r["charge"] // CENT) for r in receipts)
assert to_nearest == 0 and to_next == len(receipts) > 10 * bill_cents
ways = {
    "none, then once on the bill": bill_cents,
    "each call to the nearest cent": to_nearest,
    "each call up to a cent": to_next,
}
pd.DataFrame(ways.items(), columns=["rounding", "Ada's bill [cents]"])

# %% name="stop" tags=["hide-input"]
client.http.close()
db.close()
for process in [*gateways.values(), *workers.values()]:
    kill(process)
stop_postgres()
assert not pathlib.Path("pgdata").exists()
