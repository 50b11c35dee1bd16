# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 一次调用如何计量、扣费和对账？ · How is one call metered, charged and settled?
# 真实的 PostgreSQL、HTTP 网关和引擎进程：先预占后结算，在每一步杀死进程或切断连接，并发、断流、对账。
# A real PostgreSQL, HTTP gateway and engine process: reserve, then settle; killed or cut off at every step, called concurrently, hung up on, reconciled.

# %% name="arithmetic"
import ledger

MILLION = 1_000_000  # micro-dollars (u$) in a dollar
chat_cost = ledger.cost(2_000, 0, 400)  # input, cached, output tokens
chat_hold = ledger.ceiling(2_000, 8_192)  # input, max_tokens
hold_ratio = chat_hold / chat_cost
admitted, affordable = MILLION // chat_hold, MILLION // chat_cost

one_by_one = 100_000 * ledger.cost(1, 1, 0)  # each cached token rounded by itself
rounding_loss = (ledger.cost(100_000, 100_000, 0) - one_by_one) / MILLION
assert one_by_one == 0
print(f"2,000 tokens in, 400 out: {chat_cost:,} u$")
print(f"with max_tokens=8,192 the hold is {chat_hold:,} u$")
print(f"$1 admits {admitted} such calls at a time, and pays for {affordable}")

# %% name="start"
from harness import Stack

stack = Stack(["demo", "crash", "load", "faults"])
# The lab is a second database, for tests that do not go through the gateway.
db, lab, call, wallet = stack.db, stack.lab, stack.call, stack.wallet
assert call("nobody", "k", "hello", 5, 5)[0] == 401
(version,) = db.execute("SELECT split_part(version(), ' on', 1)").fetchone()
print(version, "+ engine + gateway are up")

# %% name="one-call" tags=["volatile"]
from datetime import UTC, datetime, timedelta

import pandas as pd
from harness import Watch

ledger.top_up(db, "demo", 100_000, "payment-1")
document = " ".join(f"d{i}" for i in range(800))
MAX_TOKENS = 2_000
watch = Watch(stack, "demo")


def run(label: str, question: str, natural_length: int, **options) -> dict:
    prompt = f"{document} {question}"
    watch.call(label, prompt, MAX_TOKENS, natural_length, **options)
    return {"call": label} | stack.bill("demo", label)


rows = [
    run("cold prompt", "why", 120),
    run("cached prompt", "how", 120),
    run("client hangs up", "who", 4_000, hang_up_after=60),
    run("gateway killed", "what", 120, crash_at="streaming"),
]
hold_after_kill = wallet("demo")[1]
tomorrow = datetime.now(UTC) + timedelta(days=1)  # as if the lease had run out
swept = ledger.sweep(db, tomorrow)
watch(15)
usage = pd.DataFrame(rows).set_index("call").astype("Int64")
usage.rename(columns={"hold": "hold [u$]", "charge": "charge [u$]"})

# %% name="one-call-checks"
used = usage[["input", "cached", "output"]].iloc[:3].astype(int).values.tolist()
cold, cached, cut = (ledger.cost(*tokens) for tokens in used)
hold = int(usage.loc["cold prompt", "hold"])
cut_output = int(usage.loc["client hangs up", "output"])
assert usage["charge"].iloc[:3].tolist() == [cold, cached, cut]
assert usage.loc["gateway killed"].isna().sum() == 4  # no usage, no charge
assert usage["cached"].iloc[:2].tolist() == [0, 800] and cached < cold < hold
assert 60 <= cut_output < MAX_TOKENS  # billed to the token, not to max_tokens
assert hold_after_kill == hold and swept == {"gateway killed": "released"}
assert wallet("demo") == (100_000 - cold - cached - cut, 0)
print(f"hold {hold} u$, cold {cold} u$, cached {cached} u$")
print(f"after the sweep held {wallet('demo')[1]} u$")

# %% name="funds" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

steps = range(len(watch.samples))
balance = [b / 1000 for b, _ in watch.samples]
spendable = [(b - h) / 1000 for b, h in watch.samples]
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.step(steps, balance, where="post", label="balance (settled)")
ax.step(steps, spendable, where="post", label="spendable = balance - held")
ax.fill_between(steps, spendable, balance, step="post", alpha=0.25, label="held")
above = {"xytext": (0, 6), "textcoords": "offset points", "fontsize": 8}
for number, (label, at) in enumerate(watch.marks.items(), 1):
    ax.annotate(f"{number} {label}", (at, balance[at]), **above)
ax.set(xlabel="observation (one per streamed token)", xlim=(-10, len(steps) + 45))
ax.set(ylabel="funds [thousandths of a dollar]", ylim=(50, 106))
ax.legend(loc="lower left", fontsize=8)
plt.show()

# %% name="crash"
import json
from collections import Counter

before_funds = ["authorised", "reserving"]  # nothing is held yet
no_usage = ["reserved", "streaming", "executed"]
with_usage = ["metered", "settling"]
STEPS = [*before_funds, *no_usage, *with_usage, "settled"]
price = ledger.cost(3, 0, 12)


def crash(step: str, kind: str) -> dict:
    key = f"{step}-{kind}"
    request = ("crash", key, "one two three", 40, 12)
    ledger.top_up(db, "crash", price + 1_000, key)
    before = wallet("crash")[0]
    call(*request, crash_at=step, crash_kind=kind)
    held = wallet("crash")[1]
    swept = ledger.sweep(db, tomorrow).get(key, "nothing to do")
    assert wallet("crash")[1] == 0  # no hold is left behind
    retry = call(*request)[1]
    assert retry["charge"] == price
    assert wallet("crash") == (before - price, 0)  # charged, and charged once
    replayed = "replayed" if "replayed" in retry else "ran"
    return {"dies at": step, "held [u$]": held, "sweep": swept, "retry": replayed}


process = pd.DataFrame([crash(step, "process") for step in STEPS])
connection = pd.DataFrame([crash(step, "connection") for step in STEPS])
crashes = len(process) + len(connection)
assert process.equals(connection)
sweeps = dict.fromkeys(no_usage, "released") | dict.fromkeys(with_usage, "settled")
assert process["sweep"].tolist() == [sweeps.get(s, "nothing to do") for s in STEPS]
engine_log = [json.loads(line)["request"] for line in open("engine.jsonl")]
runs = Counter(request.split("/")[1] for request in engine_log)
process["engine runs"] = [runs[f"{step}-process"] for step in STEPS]
assert process["engine runs"].tolist() == [1, 1, 1, 2, 2, 1, 1, 1]
process

# %% name="load" tags=["volatile"]
import random
import time
from concurrent.futures import ThreadPoolExecutor

KEYS, seen = 40, Counter()
load_price, load_hold = ledger.cost(2, 0, 8), ledger.ceiling(2, 20)
just_enough = (KEYS - 1) * load_price + load_hold  # the last hold just fits
ledger.top_up(db, "load", just_enough, "payment-1")


def insist(key: str, crash_at: str) -> None:
    deadline, last = time.monotonic() + 20, {}
    while "done" not in last and time.monotonic() < deadline:
        status, last = call("load", key, f"{key} please", 20, 8, crash_at=crash_at)
        cut = status in (0, 200) and "done" not in last
        outcome = "replayed" if "replayed" in last else str(status)
        seen["cut off" if cut else outcome] += 1
        crash_at = ""
        time.sleep(0.03)
    assert last["charge"] == load_price


chance = random.Random(7)
with ThreadPoolExecutor(16) as pool:
    clients = []
    for i in range(KEYS):  # each key twice at once; one of the two may be killed
        for crash_at in (chance.choice(STEPS + [""] * len(STEPS)), ""):
            clients.append(pool.submit(insist, f"load-{i}", crash_at))
    while not all(client.done() for client in clients):
        ledger.sweep(db, datetime.now(UTC))
        time.sleep(0.05)
[client.result() for client in clients]  # raises what a client raised
charges, charged_keys = db.execute(
    """SELECT count(*), count(DISTINCT key) FROM ledger
       WHERE account = 'load' AND kind = 'charge'"""
).fetchone()
assert charges == charged_keys == KEYS and wallet("load") == (load_hold - load_price, 0)
requests, cut_off, refused = sum(seen.values()), seen["cut off"], seen["402"]
print(f"{dict(sorted(seen.items()))} -> {charges} charges for {KEYS} keys")

# %% name="any-order" tags=["volatile"]
from machine import Machine, check

Machine.conn = lab
check()
states_checked, machine_settled = Machine.steps, Machine.settled
assert machine_settled >= 5

whole, found = ledger.OPEN, {}
for guard in (" AND state = 'reserved'", " AND attempt = %(attempt)s"):
    ledger.OPEN = whole.replace(guard, "")  # plant a bug: one condition is missing
    try:
        check()
    except Exception as error:
        found[guard.split()[1]] = type(error).__name__
    finally:
        ledger.OPEN = whole
assert set(found) == {"state", "attempt"}
print(f"{states_checked} states checked, {machine_settled} calls settled")
print(f"planted bugs found by {found}")

# %% name="reconcile"
from reconcile import reconcile

LOST = "failed or lost attempt, not charged"
before = reconcile(db, "engine.jsonl")
assert set(before["finding"]) == {LOST}  # explained: what our own faults cost us

# Plant 1: somebody reaches the engine directly.
stack.past_the_gateway("demo/bypass/1", "one two three", 9)
# Plant 2: an edit after which ledger and balance still agree.
db.execute("UPDATE ledger SET amount = amount - 1000 WHERE key = 'cold prompt'")
db.execute("UPDATE account SET balance = balance - 1000 WHERE id = 'demo'")

after = reconcile(db, "engine.jsonl")
(drift,) = db.execute(
    """SELECT count(*) FROM account a WHERE balance <>
           (SELECT sum(amount) FROM ledger l WHERE l.account = a.id)"""
).fetchone()
planted = after[after["finding"] != LOST].set_index("request")
assert planted["finding"].to_dict() == {
    "demo/bypass/1": "run, no call on record",
    "demo/cold prompt/1": "amount differs",
}
assert drift == 0 and len(after) == len(before) + 2
planted

# %% name="cost-of-safety" tags=["volatile"]
ledger.top_up(lab, "hot", MILLION, "payment-1")
spent = []
for i in range(200):
    one = {"account": "hot", "key": f"k{i}", "attempt": 1}
    began = time.perf_counter()
    ledger.reserve(lab, "hot", one["key"], "same", 1_000)
    assert ledger.record(lab, one, 100, 0, 40, "stop", "") and ledger.settle(lab, one)
    spent.append(time.perf_counter() - began)
overhead_ms = float(pd.Series(spent).median() * 1000)
print(f"reserve + record + settle: median {overhead_ms:.1f} ms, one connection")

# %% name="charge-first"
CALLS, FAULTY, DEPOSIT = 20, range(0, 20, 4), 20_000
fee, answers = ledger.cost(3, 0, 10), Counter()
ledger.top_up(db, "faults", DEPOSIT, "payment-1")
lab.execute("CREATE TABLE prepaid AS SELECT %s::bigint AS balance", (DEPOSIT,))
for i in range(CALLS):
    fail_at = 4 if i in FAULTY else None
    # The mistake: take the money, then try.
    lab.execute("UPDATE prepaid SET balance = balance - %s", (fee,))
    answers["charge first"] += stack.past_the_gateway(
        f"naive/{i}/1", "one two three", 10, fail_at
    )
    last = call("faults", f"{i}", "one two three", 40, 10, fail_at=fail_at)[1]
    answers["reserve first"] += "done" in last

(naive_left,) = lab.execute("SELECT balance FROM prepaid").fetchone()
left = {"charge first": naive_left, "reserve first": wallet("faults")[0]}
bill = pd.DataFrame({"answers": answers, "taken [u$]": DEPOSIT - pd.Series(left)})
bill.insert(1, "worth [u$]", bill["answers"] * fee)
served, failed = int(answers["reserve first"]), len(FAULTY)
overcharge = bill.loc["charge first", "taken [u$]"] / (served * fee) - 1
assert bill["answers"].tolist() == [CALLS - failed] * 2 and overcharge > 0
assert wallet("faults") == (DEPOSIT - served * fee, 0)  # ours: no more than was served
bill

# %% name="race"
import threading

CALLERS, PAYABLE, HOLD = 16, 5, 330
barrier = threading.Barrier(CALLERS, timeout=30)
ledger.top_up(lab, "race", PAYABLE * HOLD, "payment-1")
lab.execute("CREATE TABLE unguarded AS SELECT balance FROM account WHERE id = 'race'")


def read_check_write(conn, caller: int) -> bool:
    (funds,) = conn.execute("SELECT balance FROM unguarded").fetchone()
    barrier.wait()  # everyone has read before anyone writes
    if funds >= HOLD:
        conn.execute("UPDATE unguarded SET balance = balance - %s", (HOLD,))
    return funds >= HOLD


def one_statement(conn, caller: int) -> bool:
    barrier.wait()
    try:
        ledger.reserve(conn, "race", f"key-{caller}", "same", HOLD)
    except ledger.InsufficientFunds:
        return False
    return True


naive_accepted = stack.at_once(CALLERS, read_check_write)
guarded_accepted = stack.at_once(CALLERS, one_statement)
(naive_balance,) = lab.execute("SELECT balance FROM unguarded").fetchone()
assert naive_accepted == CALLERS and naive_balance < 0
assert guarded_accepted == PAYABLE
print(f"read, check, write: {naive_accepted} accepted, {naive_balance} u$ left")
print(f"one statement:      {guarded_accepted} accepted")

# %% name="stop" tags=["hide-input"]
open_holds, held_funds = db.execute(
    """SELECT (SELECT count(*) FROM call WHERE state = 'reserved'),
              (SELECT sum(held)::bigint FROM account)"""
).fetchone()
assert open_holds == held_funds == 0
stack.stop()
print(f"{open_holds} holds open, {held_funds} u$ held")
