# ---
# jupyter:
#   qa:
#     seconds: 15
# ---

# %% [markdown]
# # 如何接入支付网关并处理失败？ · How do you integrate a payment gateway and survive its failures?
# 一个带故障的支付渠道、我们的 webhook 端点和 PostgreSQL 真实运行：重复、乱序、迟到、丢失、伪造、超时、断线、500、拒付、退款失败、部分争议、崩溃，最后对账。
# A payment provider with faults, our webhook endpoint and PostgreSQL, running: duplicates, disorder, delay, loss, forgery, timeouts, cut connections, a 500, declines, failed refunds, partial disputes, crashes; then reconciliation.

# %% name="arithmetic" tags=["hide-input"]
from facts import fact
from provider import RETRY_AFTER

alipay_waits = [4, 10, 10, 60, 120, 360, 900]  # minutes
wechat_hours, alipay_hours = sum(RETRY_AFTER) / 3_600, sum(alipay_waits) / 60
assert round(wechat_hours, 2) == 24.07 and round(alipay_hours, 1) == 24.4
percent, cents = fact("stripe.fee_percent"), fact("stripe.fee_cents")
fee_5, fee_20 = ((percent + cents / dollars) / 100 for dollars in (5, 20))
assert round(fee_5, 3) == 0.089 and round(fee_20, 3) == 0.044
print(f"WeChat Pay [s]: {RETRY_AFTER}\nAlipay [min]: {alipay_waits}")

# %% name="topup" tags=["sweep"] flips="keeps_up"
import pandas as pd
import topup

delays = pd.Index(range(0, 301, 60), name="until the money is credited [s]")
rules = [(5, 10), (20, 10), (20, 30)]  # threshold and top-up [$]
refusals = pd.DataFrame(topup.worst(delays, rules, seeds=5), index=delays).round(1)
spend, held = topup.spent_and_held(seeds=5)  # dollars a second; dollars
lasts, keeps_up, needed = 5 / spend, 10 / spend, 300 * spend
for rule, shares in zip(rules, refusals.T.to_numpy()):
    assert ((shares == 0) == (delays < min(rule) / spend)).all()
assert refusals.loc[300].round().tolist() == [50, 42, 0]
assert [round(x, 1) for x in (1_000 * spend, held, needed)] == [56.9, 3.0, 17.1]
assert (round(lasts), round(keeps_up)) == (88, 176)
assert topup.refused(delay=180, threshold=1_000, top_up=10, seed=0) > 1
refusals

# %% name="deliveries"
from harness import Stack

stack = Stack("whsec_ours")
provider, pay = stack.provider, stack.pay
stories = stack.tell_stories()
outcome = stack.report(stories)
webhooks, payments = int(outcome["webhooks"].sum()), len(stories)
assert outcome["credits"].tolist() == [1] * (payments - 1) + [0]
assert outcome["balance [$]"].tolist() == [20, 20, 20, 20, 20, 15, 20, 12, 20, 20, 0]
assert outcome.loc["endpoint down at first", "failed"] == 4 and webhooks == 42
declined, paid = provider.of("declined, then paid")  # two charges of one intent
assert declined["intent"] == paid["intent"] and declined["id"] != paid["id"]
assert stack.stored_twice() == 0
last_told = stack.arrived("refund overtakes success")[-1]
assert last_told == "charge succeeded"  # it was credited after the refund
outcome

# %% name="any-order"
from orders import FACTS, TRUE_BALANCE, all_orders, merged

pending = FACTS[0], ("re", "refund", 500, "pending", -500)
canceled = *pending, ("re", "refund", 500, "canceled", 500)
second = *FACTS[:2], ("r2", "refund", 300, "pending", -300), FACTS[2]  # one fails
asked = FACTS[0], ("dp", "dispute", 800, "inquiry", 0), FACTS[3]
told = [*(FACTS[:n] for n in range(1, 6)), pending, canceled, second, asked]  # so far
so_far = [merged(stack.lab, f"so far {n}", facts) for n, facts in enumerate(told)]
assert so_far == [sum(booked for *_, booked in facts) for facts in told]
ends, newer_only = all_orders(stack.lab)
orders, naive_wrong = len(ends), sum(cents != TRUE_BALANCE for cents in newer_only)
assert set(ends) == {TRUE_BALANCE} and (orders, naive_wrong) == (120, 90)
print(f"{orders} orders, merged: {set(ends)} cents")
print(f"older events skipped: {naive_wrong} balances wrong, {sorted(set(newer_only))}")

# %% name="unknown"
provider.answering = {"answer too late": "late", "connection cut": "cut"}
provider.answering |= {"500 after charging": "500", "first still running": "busy"}
rows = []
for fault in provider.answering:
    answers = pay(fault, timeout=0.3), pay(fault), *stack.find_out(fault)
    rows.append((fault, *answers, len(provider.of(fault))))
columns = ["fault", "first answer", "same key", "query", "charged"]
unknown = pd.DataFrame(rows, columns=columns).set_index("fault")
assert unknown["first answer"].tolist() == ["unknown"] * 4
assert unknown["same key"].tolist() == ["processing"] * 2 + ["unknown"] * 2
assert unknown["query"].tolist() == ["succeeded"] * 4
assert pay("first still running") == "succeeded"  # the same key, a third time
assert stack.find_out("never sent") == []  # which is not "failed"
assert pay("below the minimum", amount=30) == "HTTPStatusError"  # 400: our mistake
provider.answering |= {"too many requests": "throttled", "new key each try": "late"}
assert [pay("too many requests") for _ in range(2)] == ["unknown", "processing"]
charged_afresh, refused = stack.pay_afresh("new key each try", 2), stack.quarantined()
assert unknown["charged"].tolist() == [1] * 4 and (charged_afresh, refused) == (2, 2)
unknown

# %% name="attacks"
from attacks import trial

moved = trial(stack, settled="in order")
assert moved["money moved [$]"].tolist() == [20] * 2 + [0] * 11
assert moved["HTTP status"].tolist() == [200] * 2 + [400] * 5 + [200] * 6
waiting = stack.quarantined() - refused
assert waiting == 4  # $1: two events; yen and unknown status: one each
shown = [stack.success_page(name).json() for name in ("genuine", "not paid")]
assert shown == [{"credited": True}, {"credited": False}]
moved

# %% name="crash"
crash = pd.DataFrame(map(stack.crash, ["claimed", "credited", "committed", "mailed"]))
assert crash["credit [$]"].tolist() == [20] * 4 and crash["mails"].tolist() == [1] * 4
assert crash["inbox left"].tolist() == [1, 1, 0, 0]
assert crash["mail requests"].tolist() == [1, 1, 1, 2]
crash.set_index("killed when")[["inbox left", "credit [$]", "mail requests", "mails"]]

# %% name="declines"
import dunning

cards = {"good": "good", "payday": "payday", "stolen": "stolen"}  # customer: card
cards |= {"silent": "stolen", "empty": "empty", "bank asks": "asks"}
back = {2: "bank asks", 5: "stolen", 18: "empty"}  # day: who confirms or changes cards
renewals = dunning.renewals(stack, cards, back, days=22)
tries = [[0], [0, 1, 3], [0, 5], [0], [0, 1, 3, 7, 12, 18], [0]]
assert renewals["tried on day"].tolist() == tries
assert renewals["days paused"].tolist() == [0, 0, 0, 8, 4, 0]
assert renewals["mails"].tolist() == [0, 2, 1, 2, 6, 1]
assert renewals["credit [$]"].tolist() == [20, 20, 20, 0, 20, 20]
said = [provider.answers[payment][0] for payment in ("good/1", "stolen/1")]
assert said == [200, 402]  # a decline is an answer
asked, confirmed = provider.of("bank asks/1")  # two charges of one payment
assert asked["intent"] == confirmed["intent"] and not provider.of("bank asks/2")
renewals.astype({"tried on day": str})

# %% name="reconcile"
provider.fees["foreign card"] = 108  # 1% more than agreed
pay("foreign card")
stack.credit_by_hand("credited by hand")
stack.refund_untold("refund untold")
provider.kept = 25  # cents of the payout, by a bank on the way
findings, short = stack.reconcile(), stack.missing_in_bank()
provider.kept = 0
assert (short, stack.missing_in_bank()) == (0.25, 0)  # dollars
assert findings["finding"].to_dict() == {
    "webhook lost": "collected, not credited",
    "new key each try": "collected twice",
    "paid $1 for $20": "collected, not credited",
    "credited by hand": "credited, not collected",
    "foreign card": "fee differs",
    "refund untold": "amounts differ",
}
assert findings["finding"].nunique() == 5
findings.fillna("")

# %% name="repair"
for payment in ["webhook lost", "refund untold"]:
    stack.find_out(payment)  # what the webhook would have said
stack.refund_second("new key each try")
left = stack.reconcile().index.tolist()
assert left == ["credited by hand", "foreign card", "paid $1 for $20"]
assert stack.dollars("webhook lost") == stack.dollars("new key each try") == 20
assert stack.dollars("refund untold") == 15
repaired, differences = len(findings) - len(left), len(findings)
assert (repaired, differences) == (3, 6)
print(f"for a person: {left}")

# %% name="wechat"
import wechat

opened, spoiled = wechat.trial(now=1_800_000_000)
assert opened["amount"] == {"total": 2_000, "currency": "CNY"}  # fen: 20 yuan
assert opened == wechat.PAID and len(spoiled) == 4 and "signature probe" in spoiled
print(f"opened: {opened}\nrefused: {', '.join(spoiled)}")

# %% name="race"
CALLERS = 8
stack.db.execute("CREATE TABLE naive (LIKE entry)")  # without the unique index
naive_credit = stack.look_then_insert("naive", CALLERS)
indexed_credit = stack.look_then_insert("entry", CALLERS)
assert (naive_credit, indexed_credit) == (20 * CALLERS, 20)
assert stack.deliver_at_once("race", CALLERS) == [200] * CALLERS
assert stack.dollars("race") == 20 and stack.refund_at_once("race", CALLERS) == 15
print(f"look, then insert: ${naive_credit}; with the unique index: ${indexed_credit}")

# %% name="stop" tags=["hide-input"]
wrong, messages = stack.close_the_books()
assert wrong == 0 and messages == len(provider.mails)
stack.stop()
print(f"{messages} messages, each sent once; {wrong} wallets differ from their entries")
