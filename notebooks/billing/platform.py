# ---
# jupyter:
#   qa:
#     seconds: 15
# ---

# %% [markdown]
# # 如何设计按需付费的模型服务平台？ · How would you design a platform that sells AI by usage?
# 整个平台的缩小版，都是真实进程：网关、钱包、账本、调度器、llama.cpp 引擎和读数字的模型；客户注册、充值、调用、核对账单，然后攻击它。
# The whole platform in small, in real processes: gateways, wallet, ledger, scheduler, llama.cpp and a reader of digits; a client signs up, tops up, calls, checks the bill, then attacks it.

# %% name="arithmetic"
import pandas as pd
from facts import fact
from money import CENT, DOLLAR  # money is counted in whole micro-dollars (u$)

calls_per_day, peak_factor, seconds_per_call = 50_000_000, 4, 6
tokens_in, tokens_out = 600, 250  # per call
PRICES = {  # u$ per million units: an example price list
    ("generate", "input_token"): 3_000_000,
    ("generate", "cached_token"): 300_000,
    ("generate", "output_token"): 15_000_000,
    ("vision", "image"): 1_250_000_000,
}
tokens_per_gpu = 2_500  # output tokens/s of one GPU: assumed

peak_calls = calls_per_day / 86_400 * peak_factor
in_flight = peak_calls * seconds_per_call  # Little's law
gpus = peak_calls * tokens_out / tokens_per_gpu
price_in = PRICES["generate", "input_token"]
price_out = PRICES["generate", "output_token"]
call_price = (tokens_in * price_in + tokens_out * price_out) // DOLLAR  # u$
call_cents = call_price / CENT
percent, fixed = fact("stripe.fee_percent") / 100, fact("stripe.fee_cents") * CENT
fee_ratio = percent + fixed / call_price  # a card payment for each call
topup_fee = percent + fixed / (20 * DOLLAR)  # one card payment of $20
slice_calls = DOLLAR // call_price  # calls that $1 pays for
daily_leak = calls_per_day / 1_000 * call_price / DOLLAR  # $: one call in 1,000
assert 50 < fee_ratio < 60 and topup_fee < 0.05 and 150 < slice_calls < 200
assert call_cents < 1 and 200 < daily_leak < 300 and 2_000 < peak_calls < 2_500
assert 13_000 < in_flight < 14_000 and 200 < gpus < 250
pd.DataFrame(
    {
        "calls at peak": f"{peak_calls:,.0f} /s",
        "database transactions at peak": f"{2 * peak_calls:,.0f} /s",
        "calls in flight at peak": f"{in_flight:,.0f}",
        "GPUs at peak": f"{gpus:,.0f}",
        "price of a call": f"{call_price:,} u$ = {call_cents} cents",
    }.items(),
    columns=["quantity", "value"],
)

# %% name="start"
import pathlib
import secrets

import psycopg
from digits import train
from local_postgres import start_postgres
from services import kill, start, start_engine

[dsn], stop_postgres = start_postgres("platform")
db = psycopg.connect(dsn, autocommit=True)  # the operator's and auditor's connection
db.execute(pathlib.Path("schema.sql").read_text())
for (model, unit), price in PRICES.items():
    db.execute("INSERT INTO price VALUES (1, %s, %s, %s)", (model, unit, price))
psp_secret = secrets.token_hex(32)  # shared with the payment provider, out of band
gateways = dict(start("gateway.py", DSN=dsn, PSP_SECRET=psp_secret) for _ in range(2))
accuracy, images = train()
assert accuracy > 0.93
engines, reader = dict(start_engine() for _ in range(2)), dict([start("reader.py")])


def register(url: str, model: str) -> None:
    db.execute("INSERT INTO worker VALUES (%s, %s)", (url, model))


for url in engines:  # the scheduler finds them here
    register(url, "generate")
register(*reader, "vision")


def one(sql: str):
    return db.execute(sql).fetchone()[0]


# %% name="client"
from client import Client

client = Client(list(gateways), psp_secret)  # gateways take turns
ada = client.sign_up("Ada")
ada_key = ada["api_key"]
assert client.pay("evt_1", ada["customer"], cents=500).status_code == 200

receipts = []
for i, thing in enumerate(["wallet", "ledger", "gateway", "bill"] * 2):
    body = {"prompt": f"In one sentence, a {thing} is", "max_tokens": 24}
    receipts.append(client.call(ada_key, "generate", body, key=f"g{i}").json())
for i in range(11):
    body = {"pixels": list(images[i])}
    receipts.append(client.call(ada_key, "vision", body, key=f"v{i}").json())
columns = ["input_token", "cached_token", "output_token"]
usage = pd.DataFrame([r["usage"] for r in receipts[:8]])[columns]
usage["charge [u$]"] = [r["charge"] for r in receipts[:8]]
cold, again = usage.iloc[0], usage.iloc[4]  # the same prompt twice
assert again["output_token"] == cold["output_token"] < 24  # it ends when it ends
prompts = usage["input_token"] + usage["cached_token"]
assert (
    prompts[4] == prompts[0]
    and again["cached_token"] > 0
    and again["charge [u$]"] < cold["charge [u$]"]
)
usage.iloc[[0, 1, 4]]

# %% name="bill"
bill = client.bill(ada_key)
rates = {unit: rate for (_, unit), rate in PRICES.items()}
unrounded = sum(n * rates[u] for r in receipts for u, n in r["usage"].items()) / DOLLAR
rounded_away = unrounded - bill["charged"]  # u$ in her favour, all calls together
assert bill["charged"] == sum(r["charge"] for r in receipts)
assert 0 < rounded_away < len(receipts)
assert bill["topped_up"] - bill["charged"] == bill["balance"]  # calls and ledger agree
assert sum(line["cents"] for line in bill["lines"]) == bill["cents"]
bill_calls, bill_micro, bill_cents = len(receipts), bill["charged"], bill["cents"]
assert bill_cents == round(bill_micro / CENT) and bill_calls == 19
separately = sum(round(line["u$"] / CENT) for line in bill["lines"])
assert separately != bill_cents  # each line rounded by itself
total = {"model": "total", "calls": bill_calls, "u$": bill_micro, "cents": bill_cents}
pd.DataFrame([*bill["lines"], total])

# %% name="stream" tags=["volatile"]
import time

from services import tokens_made


def audit() -> dict[str, int]:
    for event, cents in client.collected.items():  # as the payment provider reports
        sql = "INSERT INTO provider_report VALUES (%s, %s) ON CONFLICT DO NOTHING"
        db.execute(sql, (event, cents * CENT))
    return dict(db.execute("TABLE audit").fetchall())


def tokens_settled() -> int:
    sql = "SELECT sum((usage->>'output_token')::int)::int FROM call WHERE model = 'generate'"
    return one(sql)


MOST = 300
story, before = {"prompt": "Once upon a time", "max_tokens": MOST}, tokens_made(engines)
assert before == tokens_settled()
with client.stream(ada_key, story, key="cut") as answer:
    chunks = (line for line in answer.iter_lines() if line.startswith("data: {"))
    heard = len([next(chunks) for _ in range(5)])
    held = one("SELECT sum(hold)::bigint FROM call WHERE state = 'open'")
    audit_in_flight = audit()
    for (model, unit), price in PRICES.items():  # meanwhile text gets dearer
        new_price = price * 2 if model == "generate" else price
        db.execute("INSERT INTO price VALUES (2, %s, %s, %s)", (model, unit, new_price))
# Leaving the `with` hangs up. The same key then brings what was kept.
while (retry := client.call(ada_key, "generate", story, key="cut")).status_code == 409:
    time.sleep(0.02)
cut, cut_charge = retry.json()["usage"], retry.json()["charge"]
cut_tokens, unheard = cut["output_token"], tokens_made(engines) - tokens_settled()
assert heard <= cut_tokens < MOST // 2 and 0 <= unheard < MOST // 2
assert cut_charge == sum(n * rates[unit] for unit, n in cut.items()) // DOLLAR < held
assert held == (len(story["prompt"]) * price_in + MOST * price_out) // DOLLAR
assert not any(audit_in_flight.values()) and not any(audit().values())
dearer = client.call(ada_key, "generate", story | {"max_tokens": 4}, key="dear").json()
new_charge = sum(2 * n * rates[unit] for unit, n in dearer["usage"].items()) // DOLLAR
assert dearer["charge"] == new_charge
print(f"heard {heard} tokens, charged {cut_tokens}, made and not heard {unheard}")
print(f"held {held:,} u$, charged {cut_charge:,} u$")

# %% name="attacks"
from functools import partial

bob_key = client.sign_up("Bob, who has no money")["api_key"]
digit, other = ({"pixels": list(images[i])} for i in (0, 1))
greedy = {"prompt": "the", "max_tokens": -1_000}
call = partial(client.call, api_key=ada_key, model="vision", body=digit, key="new")
pay = partial(client.pay, event="evt_2", customer=ada["customer"], cents=100_000)
attacks = [
    ("no key", 401, call, {"api_key": None}),
    ("guessed key", 401, call, {"api_key": "sk_" + secrets.token_urlsafe(32)}),
    ("no funds", 402, call, {"api_key": bob_key}),
    ("max_tokens = -1000", 422, call, {"model": "generate", "body": greedy}),
    ("old key, other request", 422, call, {"key": "v0", "body": other}),
    ("forged payment", 400, pay, {"secret": "guess"}),
    ("payment of yesterday", 400, pay, {"age": 86_400}),
    ("payment of tomorrow", 400, pay, {"age": -86_400}),
    ("payment delivered again", 200, pay, {"event": "evt_1", "cents": 500}),
]
assert len({str(changes) for *_, changes in attacks}) == 9  # no two are alike
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
from scheduler import NoWorker, Scheduler

full, asked, scheduler = Scheduler(limit=1), [], Scheduler()
scheduler.http.event_hooks = {"request": [lambda sent: asked.append(str(sent.url))]}
scheduler.busy["http://busy"] = 1
scheduler.run(["http://busy", *reader], "/v1/vision", digit)
assert asked == [f"{url}/v1/vision" for url in reader]  # least busy first
try:
    with full.slot(*reader):
        full.run(list(reader), "/v1/vision", digit)
except NoWorker:
    asked.append("refused: full")
assert asked[1:] == ["refused: full"]

before, (first, second) = money(ada_key), engines.values()
with client.stream(ada_key, story, key="lost") as answer:
    lines = answer.iter_lines()
    next(lines)
    kill(first)
    last_words = "".join(lines)
assert "nothing is charged" in last_words and money(ada_key) == before

short = {"prompt": "the gateway", "max_tokens": 2}
ask = partial(client.call, ada_key, "generate", short)
with client.stream(ada_key, short, key="f0") as answer:  # its first choice is dead
    assert "[DONE]" in answer.read().decode()
survived = [ask(key=f"f{i}") for i in range(4)]  # f0: the stream's answer, kept
survived_calls = Counter(r.status_code for r in survived)[200]
while_up = before - sum(r.json()["charge"] for r in survived)
assert survived_calls == len(survived) and money(ada_key) == while_up < before
kill(second)
down = ask(key="patient")
assert down.status_code == 503 and "Retry-After" in down.headers
assert money(ada_key) == while_up  # not charged

url, engines["fresh"] = start_engine()
register(url, "generate")
retried = ask(key="patient")  # a failed attempt does not block its key
assert retried.status_code == 200
assert money(ada_key) == while_up - retried.json()["charge"]
print(f"killed in mid-stream: nothing charged; {survived_calls} calls on the other")
print(f"both killed: {down.status_code}; a new one, same key: {retried.status_code}")

# %% name="books"
ENTRY = """WITH t AS (INSERT INTO transfer DEFAULT VALUES RETURNING id)
           INSERT INTO posting SELECT id, '{}', {} FROM t"""
EDITS = {
    ENTRY.format("wallet:1", 1_000_000): "unbalanced entry",
    ENTRY.format("psp", -1_000_000): "unbalanced entry",
    "INSERT INTO posting VALUES (1, 'wallet:1', 1), (1, 'psp', -1)": "old transfer",
    "UPDATE posting SET amount = 0": "the ledger is append-only",
    "DELETE FROM posting": "the ledger is append-only",
    "TRUNCATE posting": "the ledger is append-only",
    "DELETE FROM transfer": "the ledger is append-only",
    "UPDATE transfer SET kind = 'gift'": "the ledger is append-only",
    "UPDATE wallet SET balance = 1": "the ledger is append-only",
}
refused = 0
for sql, reason in EDITS.items():
    try:
        db.execute(sql)
    except psycopg.errors.RaiseException as error:
        assert error.diag.message_primary == reason, sql
        refused += 1
assert refused == len(EDITS)
assert not any(audit().values())
SHIFT = "UPDATE posting SET amount = amount + {} WHERE transfer = 1"
MOVE = """UPDATE posting SET amount = amount - 1 WHERE transfer = 1 AND amount > 0;
          INSERT INTO posting VALUES (1, 'wallet:2', 1);
          UPDATE wallet SET balance = balance + CASE account WHEN 'wallet:1' THEN -1
              ELSE 1 END WHERE account IN ('wallet:1', 'wallet:2')"""
FORGERIES = {
    MOVE: {},  # Ada's money, given to Bob: no total has changed
    "UPDATE call SET charge = charge - 1 WHERE id = 1": {"revenue": 1},
    SHIFT.format(-1): {"postings": -2, "psp": -1, "wallets": 1},
    SHIFT.format(1): {"postings": 2, "psp": 1, "wallets": 1},
}
for sql, seen in FORGERIES.items():
    with db.transaction(force_rollback=True):
        db.execute("SET LOCAL session_replication_role = replica")  # triggers are off
        db.execute(sql)
        forged = audit()
    assert {account: off for account, off in forged.items() if off} == seen, sql
pd.DataFrame({"account": forged, "honest": audit(), "forged": forged}).iloc[:, 1:]

# %% name="traces"
import hashlib
import json

log = pathlib.Path("gateway.log").read_text()
stored = log
for table in ("customer", "api_key", "call"):
    stored += str(db.execute(f"SELECT t::text FROM {table} t").fetchall())
assert not any(key in stored for key in (ada_key, bob_key, cleo_key))
assert hashlib.sha256(ada_key.encode()).hexdigest() in stored
answered = Counter(json.loads(line)["gateway"] for line in log.splitlines())
assert len(answered) == 2 and min(answered.values()) > 10  # both gateways have served
print(
    f"{len(log.splitlines())} log lines of {len(answered)} gateways, no API key in them"
)

# %% name="lock"
import calls
from ledger import post


def locked() -> bool:
    sql = "SELECT 1 FROM wallet WHERE account = %s FOR UPDATE SKIP LOCKED"
    return db.execute(sql, [f"wallet:{ada['customer']}"]).fetchone() is None


class Watched(psycopg.Connection):
    """Counts the statements, commits among them, sent while the wallet's row is locked."""

    sent = 0

    def execute(self, *statement):
        Watched.sent += locked()
        return super().execute(*statement)

    def commit(self):
        Watched.sent += locked()
        super().commit()


def round_trips(key: str) -> int:
    """For how many of them one call keeps its wallet from all others."""
    Watched.sent, most = 0, {"input_token": 9, "output_token": 9}
    with Watched.connect(dsn) as own:
        held_call = calls.reserve(own, ada["customer"], "generate", key, b"", most)
    with Watched.connect(dsn) as own:
        calls.settle(own, held_call, "", {"input_token": 9, "output_token": 5})
    return Watched.sent


last_trips = round_trips("wallet last")
calls.post = lambda *entry: post(*entry[:3], dict(reversed(entry[3].items())))
first_trips = round_trips("wallet first")
calls.post = post
assert (last_trips, first_trips) == (2, 5) and not any(audit().values())
RTT = 1  # ms: gateway to database and back, assumed
row_calls = 1_000 / (last_trips * RTT)  # of one customer, in a second, at most
row_calls_first = 1_000 / (first_trips * RTT)
row_share = 1_000 / RTT / peak_calls  # if every call also changes one shared row
assert row_calls == 500 and row_calls_first == 200 and 0.4 < row_share < 0.5
print(f"round trips with the row locked: {last_trips}, or {first_trips} if it is first")

# %% name="sweep-rtt" tags=["sweep"] flips="full_from"
BUSY = 100  # calls/s of one customer
full_from = 1_000 / (last_trips * BUSY)  # ms
trips = pd.Index([0.1, 0.2, 0.5, 1, 2, 4, 8, 16], name="round trip [ms]")
at_most = pd.DataFrame(
    {
        "balance last [calls/s]": 1_000 / (last_trips * trips.to_numpy()),
        "balance first [calls/s]": 1_000 / (first_trips * trips.to_numpy()),
    },
    index=trips,
).round(1)
fits = at_most["balance last [calls/s]"] >= BUSY
assert fits[trips < full_from].all() and not fits[trips > full_from].any()
assert full_from == 5
assert (at_most.iloc[:, 1] < at_most.iloc[:, 0] / 2).all()  # balance first: fewer calls
at_most

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
assert to_nearest == 0 and to_next == len(receipts) > 9 * bill_cents
print(f"bill {bill_cents} cents; each call to the nearest {to_nearest}, up {to_next}")

# %% name="stop" tags=["hide-input"]
client.http.close()
db.close()
for process in [*gateways.values(), *engines.values(), *reader.values()]:
    kill(process)
stop_postgres()
assert not pathlib.Path("pgdata").exists()
