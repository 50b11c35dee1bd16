# ---
# jupyter:
#   qa:
#     seconds: 12
# ---

# %% [markdown]
# # 账单出错怎么办？账本、审计与对账 · What if a bill is wrong - ledgers, audit and reconciliation?
# 真实 PostgreSQL 里的复式账本，逐条攻击；错价三天后更正到微美元；哈希链与外部检查点；三方对账与停账。
# A double-entry ledger in a real PostgreSQL, attacked; three days at a wrong price, corrected to the micro-dollar; a hash chain with outside checkpoints; three-way reconciliation and a stop.

# %% name="start"
import pathlib

import books
import psycopg
from local_postgres import start_postgres
from psycopg.conninfo import make_conninfo

[dsn], stop_postgres = start_postgres("ledger")
admin = psycopg.connect(dsn, autocommit=True)  # a superuser
admin.execute(pathlib.Path("schema.sql").read_text())
as_app, as_sealer = (make_conninfo(dsn, user=u) for u in ("billing_app", "sealer"))
app, sealer = (psycopg.connect(u, autocommit=True) for u in (as_app, as_sealer))
rights = books.rights(admin, "billing_app")
assert rights.keys() == {"SELECT", "INSERT"}  # no UPDATE, DELETE, TRUNCATE
print("billing_app may INSERT into", rights["INSERT"])

# %% name="month"
import random

import month

chance = random.Random(5)
month.open_books(admin, app)
jobs = month.run_may(app, chance)
close = "UPDATE period SET closed_at = clock_timestamp() WHERE month = '2026-{}-01'"
admin.execute(close.format("05"))

trial = books.trial_balance(admin)
for _, sides in trial.groupby("currency")[["debit", "credit"]]:
    assert sides["debit"].sum() == sides["credit"].sum() > 0
assert books.violations(admin) == []
trial.map(books.money).set_index("account").rename_axis(None)

# %% name="attacks"
import pandas as pd
from attacks import ATTACKS, ENTRY, POWERS, SABOTAGE, outcome

refused = {attack: outcome(app, sql) for attack, sql in ATTACKS.items()}
assert "accepted" not in {error for error, _ in refused.values()}

with psycopg.connect(as_app) as slow:  # an entry that has not committed yet
    slow.execute(ENTRY)
    shut = ["SET LOCAL lock_timeout = '50ms'", close.format("06")]
    assert outcome(admin, shut)[0] == "LockNotAvailable"  # closing June waits for it
    slow.rollback()
attacks = len(refused)
pd.DataFrame(refused, index=["error", "refused by"]).T

# %% name="powers"
powers = {who: outcome(admin, sql) for who, sql in POWERS.items()}
assert powers["owner"][1] == "posting is append-only: no UPDATE"
assert powers["owner, triggers off"] == powers["superuser"] == ("accepted", "")

for invariant, sql in SABOTAGE.items():  # the daily checks, checked
    with admin.transaction(force_rollback=True):
        admin.execute("SET LOCAL session_replication_role = replica")
        for statement in sql:
            admin.execute(statement)
        assert books.violations(admin) == [invariant]
pd.DataFrame(powers, index=["outcome", "refused by"]).T

# %% name="price-bug"
from collections import Counter
from datetime import date

TODAY = date(2026, 6, 8)
charged = books.charges(admin)
wrong, errors = {}, Counter()  # u$ charged too much: by job, by customer
for job in jobs:  # rate all usage again, by the contract
    if error := charged[job["job"]] - month.cost(job, month.CONTRACT):
        wrong[job["job"]] = error
        errors[job["customer"]] += error
affected = {job["day"] for job in jobs if job["job"] in wrong}
assert affected == set(map(str, month.BUG_DAYS))


def correct() -> int:
    """One note a customer; too little we bear ourselves. Returns how many are new."""
    notes = []
    for customer, error in errors.items():
        account = f"wallet:{customer}" if error > 0 else "concessions"
        lines = {month.revenue(customer): error, account: -error}
        ref = f"price-0512/{customer}"
        notes.append(books.post(app, "credit-note", ref, TODAY, lines))
    return len([note for note in notes if note])


before = {who: books.funds(admin, who) for who in errors}
notes, notes_again = correct(), correct()
assert (notes, notes_again) == (len(month.JOBS), 0)
wrong_jobs, all_jobs = len(wrong), len(jobs)
print(f"{wrong_jobs} of {all_jobs} jobs; notes: {notes}, run again: {notes_again}")

# %% name="corrected"
from money import DOLLAR, apportion

for who, error in errors.items():
    assert books.funds(admin, who) - before[who] == max(0, error)
in_dollars = [job for job in jobs if job["customer"] != "eva"]
due = sum(month.cost(job, month.CONTRACT) for job in in_dollars)
assert books.balance(admin, "revenue") == -(due + month.OTHER_SALES)  # exactly

over = {who: error for who, error in errors.items() if error > 0 and who != "eva"}
goodwill = dict(zip(over, apportion(20 * DOLLAR, list(over.values()))))
for who, share in goodwill.items():
    lines = {"promotions": share, f"promo:{who}": -share}
    books.post(app, "goodwill", f"price-0512/{who}", TODAY, lines)
assert sum(goodwill.values()) == 20 * DOLLAR and books.violations(admin) == []

usd = [error for who, error in errors.items() if who != "eva"]
net, gross = abs(sum(usd)) / DOLLAR, sum(map(abs, usd)) / DOLLAR
billed = sum(charged[job["job"]] for job in in_dollars if job["job"] in wrong) / DOLLAR
table = pd.DataFrame({"charged too much": errors, "goodwill": goodwill}).fillna(0)
table.astype("int64").map(books.money)

# %% name="seal" tags=["volatile"]
import audit
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

# Kept in a KMS, where the operators of the database cannot use it.
key = Ed25519PrivateKey.generate()
audit.seal(sealer)
outside = [audit.checkpoint(sealer, key)]  # kept by somebody else, such as the auditor

with psycopg.connect(as_app) as slow:
    month.top_up(slow, "pay-cy-2", "cy", month.JUNE, 100 * DOLLAR)  # not committed yet
    month.top_up(app, "pay-dee-2", "dee", month.JUNE, 100 * DOLLAR)
    audit.seal(sealer)
assert audit.seal(sealer) == 1
newest = sealer.execute("SELECT entry FROM audit ORDER BY seq DESC LIMIT 2").fetchall()
assert newest[0] < newest[1]  # committed later, but numbered lower
outside.append(audit.checkpoint(sealer, key))
sealed = outside[-1]["size"]
{name: str(value)[:32] for name, value in outside[-1].items()}

# %% name="tamper"
from insider import CRIMES

for job in month.run_jobs(month.JUNE, 1, chance):
    month.charge(app, job)
unanchored = audit.seal(sealer)  # in the log, but no checkpoint has left the house
rows = {}
for crime, (steps, expected) in CRIMES.items():
    with admin.transaction(force_rollback=True):
        admin.execute("SET LOCAL session_replication_role = replica")
        for step in steps:
            step(admin)
        assert books.violations(admin) == []  # the books agree with themselves
        found = audit.found_by(admin, outside, key.public_key())
    assert found == expected, crime
    rows[crime] = ["found" if by in found else "-" for by in audit.CHECKS]
assert audit.found_by(admin, outside, key.public_key()) == set()
pd.DataFrame(rows, index=audit.CHECKS).T

# %% name="proof"
import math

log = sealer.execute("SELECT record FROM audit ORDER BY seq LIMIT %s", (sealed,))
records = [record.encode() for (record,) in log.fetchall()]
root, longest = bytes.fromhex(outside[-1]["root"]), 0
for i in range(0, sealed, 20):
    path = audit.proof(records, i)
    longest = max(longest, len(path))
    assert audit.root_from(records[i], i, sealed, path) == root
    assert audit.root_from(records[i] + b" ", i, sealed, path) != root
assert longest == math.ceil(math.log2(sealed))
audit.check_published_vectors()
proof_bytes = 32 * math.ceil(math.log2(100e6))  # SHA-256 hashes
print(f"{sealed} entries: {longest} hashes prove one; 100 million: {proof_bytes} bytes")

# %% name="cost" tags=["volatile"]
import bench

writers = [1, 2, 4, 8]
bench.set_up(dsn, admin, max(writers))
speed = pd.DataFrame(
    {
        mode: [bench.entries_per_second(dsn, n, mode) for n in writers]
        for mode in ("plain", "sealed", "chained")
    },
    index=writers,
)
plain_8, sealed_8, chained_8 = speed.loc[8]
chain_limit, commit_ms = 1 / bench.COMMIT, bench.COMMIT * 1000
assert speed["chained"].max() < 1.2 * chain_limit and sealed_8 > 1.5 * chained_8
speed.round().astype(int).rename_axis(columns="writers")

# %% name="cost-figure" tags=["volatile", "hide-input"]
import matplotlib.pyplot as plt

fig, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
labels = ["no audit log", "sealed beside, in batches", "chained in each transaction"]
for label, marker, mode in zip(labels, "os^", speed):
    ax.plot(writers, speed[mode], f"{marker}-", label=label)
ax.axhline(chain_limit, linestyle=":", color="C3", label="1 / commit time")
ax.set(xlabel="concurrent writers", ylabel="entries [1/s]", ylim=0, xticks=writers)
ax.legend()
plt.show()

# %% name="reconcile"
from reconcile import bill, on_hold, reconcile, set_hold

planted = month.run_june(app, chance)
breaks = reconcile(admin, month.JUNE, TODAY)
found = dict(zip(zip(breaks["reference"], breaks["customer"]), breaks["class"]))
assert found == planted
assert books.violations(admin) == []  # the books agree with themselves, and are wrong
real = breaks[breaks["class"] == "real"].drop(columns="class")
real_breaks, timing = len(real), len(breaks) - len(real)
real.map(books.money).set_index("reference").rename_axis(None)

# %% name="stop-the-line"
listener = psycopg.connect(as_app, autocommit=True)
listener.execute("LISTEN billing")
set_hold(app, breaks)
held = on_hold(app)
alerts = [a.payload for a in listener.notifies(timeout=5, stop_after=len(held))]
billed_meanwhile, stopped = bill(app, month.JUNE), len(held)  # today's, of others

month.put_right(app, TODAY)  # reversals and new entries
set_hold(app, reconcile(admin, month.JUNE, TODAY))
assert stopped == 5 and on_hold(app) == set()
billed_after, billed_twice = bill(app, month.JUNE), bill(app, month.JUNE)
assert (billed_meanwhile, billed_after, billed_twice) == (2, 10, 0)
still_open = reconcile(admin, month.JUNE, TODAY)
assert still_open[["reference", "class"]].values.tolist() == [["pay-dee-4", "timing"]]
print("\n".join(alerts))

# %% name="update"
admin.execute("CREATE TABLE bill_line (job text, customer text, amount bigint)")
lines = [(job["job"], job["customer"], charged[job["job"]]) for job in jobs]
insert = "INSERT INTO bill_line VALUES (%s, %s, %s)"
admin.cursor().executemany(insert, lines)
total = "SELECT sum(amount)::bigint FROM bill_line WHERE customer = 'ada'"
(sent,) = admin.execute(total).fetchone()  # the bill that Ada has

fix = "UPDATE bill_line SET amount = amount - %s WHERE job = %s"
for _ in range(2):  # the script timed out after its commit, and was started again
    admin.cursor().executemany(fix, [(error, job) for job, error in wrong.items()])
(fixed,) = admin.execute(total).fetchone()
assert sent - fixed == 2 * errors["ada"]
sent, fixed, right = (n / DOLLAR for n in (sent, fixed, sent - errors["ada"]))
print(f"sent ${sent:.2f}, should be ${right:.2f}, is now ${fixed:.2f}")

# %% name="stop" tags=["hide-input"]
for connection in (app, sealer, listener, admin):
    connection.close()
stop_postgres()
assert not pathlib.Path("pgdata").exists()
