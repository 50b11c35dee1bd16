# ---
# jupyter:
#   qa:
#     seconds: 20
# ---

# %% [markdown]
# # 一次调用如何计量、扣费和对账？ · How is one call metered, charged and settled?
# 真实的 PostgreSQL、HTTP 网关和引擎进程：先冻结后结算，在每一步杀死进程或切断连接，并发、断流、对账。
# A real PostgreSQL, HTTP gateway and engine process: reserve, then settle; killed or cut off at every step, called concurrently, hung up on, reconciled.

# %% name="arithmetic"
import ledger

MILLION = 1_000_000  # micro-dollars in a dollar
chat_hold, chat_cost = (
    ledger.ceiling(2_000, 8_192),
    ledger.cost(2_000, 0, 400),
)  # input, (cached,) output tokens
admitted, affordable = MILLION // chat_hold, MILLION // chat_cost
hold_ratio = chat_hold / chat_cost
rounding_loss = (
    100_000 * 0.3 - 100_000 * ledger.cost(1, 1, 0)
) / MILLION  # rounding each cached token by itself
assert ledger.cost(100_000, 100_000, 0) == 30_000 and ledger.cost(1, 1, 0) == 0
print(
    f"2,000 tokens in, 400 out: {chat_cost:,} u$; with max_tokens=8,192 the hold is {chat_hold:,} u$"
)
print(f"one dollar admits {admitted} such calls at a time, and pays for {affordable}")

# %% name="start"
import json
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pandas as pd
import psycopg
from harness import Stack

stack = Stack(["demo", "crash", "load", "faults"])
db, lab, call, wallet = stack.db, stack.lab, stack.call, stack.wallet
assert call("nobody", "k", "hello", 5, 5)[0] == 401
print(
    db.execute("SELECT split_part(version(), ' on', 1)").fetchone()[0],
    "+ engine + gateway are up",
)

# %% name="one-call" tags=["volatile"]
ledger.top_up(db, "demo", 100_000, "payment-1")
document = " ".join(f"d{i}" for i in range(800))
MAX_TOKENS, samples, marks = 2_000, [], {}


def watch(times: int = 1) -> None:
    samples.extend(wallet("demo") for _ in range(times))


def run(label: str, question: str, natural_length: int, **options) -> dict:
    marks[label] = len(samples)
    watch()
    call(
        "demo",
        label,
        f"{document} {question}",
        MAX_TOKENS,
        natural_length,
        on_event=watch,
        **options,
    )
    if "crash_at" not in options:
        stack.wait_until_closed("demo")
    watch(15)
    values = db.execute(
        "SELECT hold, input, cached, output, charge FROM call LEFT JOIN usage USING (account, key, attempt)"
        " WHERE account = 'demo' AND key = %s",
        (label,),
    ).fetchone()
    return dict(zip(("hold [u$]", "input", "cached", "output", "charge [u$]"), values))


rows = {
    "cold prompt": run("cold prompt", "why", 120),
    "cached prompt": run("cached prompt", "how", 120),
    "client hangs up": run("client hangs up", "who", 4_000, hang_up_after=60),
    "gateway killed": run("gateway killed", "what", 120, crash_at="streaming"),
}
usage = pd.DataFrame(rows).T.astype("Int64")
hold_after_kill = wallet("demo")[1]
swept = ledger.sweep(
    db, datetime.now(UTC) + timedelta(days=1)
)  # as if the lease had run out
watch(15)
usage

# %% name="one-call-checks"
cold, cached, cut = (
    ledger.cost(*used)
    for used in usage[["input", "cached", "output"]]
    .iloc[:3]
    .astype(int)
    .values.tolist()
)
hold, cut_output = (
    int(usage.loc["cold prompt", "hold [u$]"]),
    int(usage.loc["client hangs up", "output"]),
)
assert (
    usage["charge [u$]"].iloc[:3].tolist() == [cold, cached, cut]
    and usage.loc["gateway killed"].isna().sum() == 4
)
assert usage["cached"].iloc[:2].tolist() == [0, 800] and cached < cold < hold
assert (
    60 <= cut_output < MAX_TOKENS
)  # billed to the token that was made, not to max_tokens
assert hold_after_kill == hold and swept == {"gateway killed": "released"}
assert wallet("demo") == (100_000 - cold - cached - cut, 0)
print(
    f"hold {hold} u$, cold {cold} u$, cached {cached} u$; after the sweep held {wallet('demo')[1]} u$"
)

# %% name="funds" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

balance, spendable = (
    [b / 1000 for b, _ in samples],
    [(b - h) / 1000 for b, h in samples],
)
fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
ax.step(range(len(samples)), balance, where="post", label="balance (settled)")
ax.step(
    range(len(samples)), spendable, where="post", label="spendable = balance - held"
)
ax.fill_between(
    range(len(samples)), spendable, balance, step="post", alpha=0.25, label="held"
)
for number, (label, at) in enumerate(marks.items(), 1):
    ax.annotate(
        f"{number} {label}",
        (at, balance[at]),
        (0, 6),
        textcoords="offset points",
        fontsize=8,
    )
ax.set(
    xlabel="observation (one per streamed token)",
    ylabel="funds [thousandths of a dollar]",
    xlim=(-10, len(samples) + 45),
    ylim=(50, 106),
)
ax.legend(loc="lower left", fontsize=8)
plt.show()

# %% name="crash"
STEPS = [
    "authorised",
    "reserving",
    "reserved",
    "streaming",
    "executed",
    "metered",
    "settling",
    "settled",
]
price = ledger.cost(3, 0, 12)


def crash(step: str, kind: str) -> dict:
    key = f"{step}-{kind}"
    ledger.top_up(db, "crash", price + 1_000, key)
    before = wallet("crash")[0]
    first = call("crash", key, "one two three", 40, 12, crash_at=step, crash_kind=kind)[
        1
    ]
    held = wallet("crash")[1]
    swept = ledger.sweep(db, datetime.now(UTC) + timedelta(days=1)).get(
        key, "nothing to do"
    )
    assert wallet("crash")[1] == 0  # no hold is left behind
    retry = call("crash", key, "one two three", 40, 12)[1]
    assert retry["charge"] == price and wallet("crash") == (
        before - price,
        0,
    )  # charged, and charged once
    return {
        "dies at": step,
        "client got": "the end" if "done" in first else "cut off",
        "held [u$]": held,
        "sweep": swept,
        "retry": "replayed" if "replayed" in retry else "ran",
    }


process, connection = (
    pd.DataFrame([crash(step, kind) for step in STEPS]).set_index("dies at")
    for kind in ("process", "connection")
)
crashes = len(process) + len(connection)
assert process.drop(columns="client got").equals(connection.drop(columns="client got"))
assert process["sweep"].tolist() == ["nothing to do"] * 2 + ["released"] * 3 + [
    "settled"
] * 2 + ["nothing to do"]
runs = Counter(
    json.loads(line)["request"].split("/")[1] for line in open("engine.jsonl")
)
process["engine runs"] = [runs[f"{step}-process"] for step in STEPS]
assert process["engine runs"].tolist() == [1, 1, 1, 2, 2, 1, 1, 1]
process

# %% name="race"
CALLERS, PAYABLE, HOLD = 16, 5, 330
barrier = threading.Barrier(CALLERS, timeout=30)
ledger.top_up(lab, "race", PAYABLE * HOLD, "payment-1")
lab.execute("CREATE TABLE unguarded AS SELECT balance FROM account WHERE id = 'race'")


def read_check_write(conn: psycopg.Connection, caller: int) -> bool:
    (funds,) = conn.execute("SELECT balance FROM unguarded").fetchone()
    barrier.wait()  # everyone has read before anyone writes
    if funds >= HOLD:
        conn.execute("UPDATE unguarded SET balance = balance - %s", (HOLD,))
    return funds >= HOLD


def one_statement(conn: psycopg.Connection, caller: int) -> bool:
    barrier.wait()
    try:
        return (
            ledger.reserve(conn, "race", f"key-{caller}", "same", HOLD)[0] == "reserved"
        )
    except ledger.InsufficientFunds:
        return False


def accepted(method) -> int:
    def connect_and_try(caller: int) -> bool:
        with psycopg.connect(stack.lab_url, autocommit=True) as conn:
            return method(conn, caller)

    with ThreadPoolExecutor(CALLERS) as pool:
        return sum(pool.map(connect_and_try, range(CALLERS)))


naive_accepted, guarded_accepted = accepted(read_check_write), accepted(one_statement)
(naive_balance,) = lab.execute("SELECT balance FROM unguarded").fetchone()
assert naive_accepted == CALLERS and naive_balance < 0
assert guarded_accepted == PAYABLE
print(
    f"read, check, write: {naive_accepted} of {CALLERS} accepted, {naive_balance} u$ left"
)
print(
    f"one statement:      {guarded_accepted} of {CALLERS} accepted, 0 u$ left to hold"
)

# %% name="load" tags=["volatile"]
KEYS, chance, seen = 40, random.Random(7), Counter()
load_price, load_hold = ledger.cost(2, 0, 8), ledger.ceiling(2, 20)
ledger.top_up(
    db, "load", (KEYS - 1) * load_price + load_hold, "payment-1"
)  # the last hold just fits
plan = {f"load-{i}": chance.choice(STEPS + [""] * len(STEPS)) for i in range(KEYS)}


def insist(key: str, crash_at: str) -> None:
    deadline, last = time.monotonic() + 20, {}
    while "done" not in last and time.monotonic() < deadline:
        status, last = call("load", key, f"{key} please", 20, 8, crash_at=crash_at)
        seen[
            "cut off"
            if status in (0, 200) and "done" not in last
            else f"{status}{' replayed' * ('replayed' in last)}"
        ] += 1
        crash_at = ""
        time.sleep(0.03)
    assert last["charge"] == load_price


with ThreadPoolExecutor(
    16
) as pool:  # each key twice at the same time, one of the two may be killed
    clients = [
        pool.submit(insist, key, crash_at)
        for key in plan
        for crash_at in (plan[key], "")
    ]
    while not all(client.done() for client in clients):
        ledger.sweep(db, datetime.now(UTC))
        time.sleep(0.05)
[client.result() for client in clients]
charges, charged_keys = db.execute(
    "SELECT count(*), count(DISTINCT key) FROM ledger WHERE account = 'load'"
    " AND kind = 'charge'"
).fetchone()
assert charges == charged_keys == KEYS and wallet("load") == (load_hold - load_price, 0)
requests, cut_off, refused = sum(seen.values()), seen["cut off"], seen["402"]
print(
    dict(sorted(seen.items())),
    f"-> {charges} charges for {KEYS} keys, held {wallet('load')[1]} u$",
)

# %% name="any-order" tags=["volatile"]
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from machine import Machine

Machine.conn = lab
quick = settings(
    max_examples=60,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
run_state_machine_as_test(Machine, settings=quick)
states_checked, machine_settled = Machine.steps, Machine.settled
assert machine_settled >= 5

whole, found = ledger.OPEN, {}
for guard in (
    " AND state = 'reserved'",
    " AND attempt = %(attempt)s",
):  # plant a bug: take one condition away
    ledger.OPEN = whole.replace(guard, "")
    try:
        run_state_machine_as_test(Machine, settings=quick)
    except Exception as error:
        found[guard.split()[1]] = type(error).__name__
    finally:
        ledger.OPEN = whole
assert set(found) == {"state", "attempt"}
print(
    f"{states_checked} states checked, {machine_settled} calls settled; planted bugs found by {found}"
)

# %% name="charge-first"
CALLS, FAULTY = 20, range(0, 20, 4)
fee, answers = ledger.cost(3, 0, 10), Counter()
ledger.top_up(db, "faults", CALLS * 1_000, "payment-1")
lab.execute("CREATE TABLE prepaid AS SELECT %s::bigint AS balance", (CALLS * 1_000,))
for i in range(CALLS):
    fail_at = 4 if i in FAULTY else None
    lab.execute(
        "UPDATE prepaid SET balance = balance - %s", (fee,)
    )  # the mistake: take the money, then try
    answers["charge first"] += stack.past_the_gateway(
        f"naive/{i}/1", "one two three", 10, fail_at
    )
    answers["reserve first"] += (
        "done" in call("faults", f"{i}", "one two three", 40, 10, fail_at=fail_at)[1]
    )
left = {
    "charge first": lab.execute("SELECT balance FROM prepaid").fetchone()[0],
    "reserve first": wallet("faults")[0],
}
bill = pd.DataFrame(
    {
        "answers": answers,
        "worth [u$]": {way: n * fee for way, n in answers.items()},
        "taken [u$]": {way: CALLS * 1_000 - rest for way, rest in left.items()},
    }
)
served, failed = int(bill.loc["reserve first", "answers"]), len(FAULTY)
overcharge = (
    bill.loc["charge first", "taken [u$]"] / bill.loc["charge first", "worth [u$]"] - 1
)
assert bill["answers"].tolist() == [CALLS - failed] * 2 and overcharge > 0
assert (
    bill.loc["reserve first", "taken [u$]"] == bill.loc["reserve first", "worth [u$]"]
    and wallet("faults")[1] == 0
)
bill

# %% name="reconcile"
from reconcile import reconcile

LOST = "failed or lost attempt, not charged"
before = reconcile(db, "engine.jsonl")
assert set(before["finding"]) == {LOST}  # explained: what our own faults cost us
stack.past_the_gateway(
    "demo/bypass/1", "one two three", 9
)  # plant 1: somebody reaches the engine directly
db.execute(
    "UPDATE ledger SET amount = amount - 1000 WHERE account = 'demo' AND key = 'cold prompt'"
)  # plant 2: an
db.execute(
    "UPDATE account SET balance = balance - 1000 WHERE id = 'demo'"
)  # edit after which ledger and balance agree
after = reconcile(db, "engine.jsonl")
drift = db.execute(
    "SELECT count(*) FROM account a WHERE balance <> (SELECT sum(amount) FROM ledger l"
    " WHERE l.account = a.id)"
).fetchone()[0]
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
    one, began = {"account": "hot", "key": f"k{i}", "attempt": 1}, time.perf_counter()
    ledger.reserve(lab, "hot", f"k{i}", "same", 1_000)
    assert ledger.record(lab, one, 100, 0, 40, "stop", "") and ledger.settle(lab, one)
    spent.append(time.perf_counter() - began)
overhead_ms = float(pd.Series(spent).median() * 1000)
print(
    f"reserve + record + settle: median {overhead_ms:.1f} ms a call, one connection, local disk"
)

# %% name="stop"
open_holds, held_funds = db.execute(
    "SELECT count(*) FILTER (WHERE state = 'reserved'), (SELECT sum(held) FROM account)::bigint"
    " FROM call"
).fetchone()
assert open_holds == held_funds == 0
stack.stop()
print(f"{open_holds} holds open, {held_funds} u$ held")
