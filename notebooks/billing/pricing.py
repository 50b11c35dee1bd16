# ---
# jupyter:
#   qa:
#     seconds: 10
# ---

# %% [markdown]
# # 按量、包月、阶梯，计费策略怎么设计？ · How do you design pricing - usage, plans, tiers?
# 一个小批价引擎：价目表是带版本的数据；用性质测试检验引擎，再用埋下的缺陷检验测试；比较几种套餐；运行几个真实会犯的错误。
# A small rating engine: price lists are versioned data; properties test the engine, planted bugs test the properties; plans are compared; mistakes that people really make are run.

# %% name="price-list"
from pathlib import Path

import pandas as pd
from catalogue import PICO, Catalogue, Meter, load, table

catalogue = load(Path("prices"))
old, new = catalogue.lists
COST = 0.61  # $ per million tokens, output only, 1,000 in and 300 out: see architecture-cost
last, pro = new.meters["output"].tiers, new.plans["pro"]
tier_price = [new.meters["output"].rate(tier, "batch") / 10**6 for tier in last]
by_plan = tier_price[0] * pro.fee / pro.included  # just what is included is used
floor = tier_price[-1] * new.plans["commit"].percent / 100  # $ a million
assert floor < by_plan and 7 < floor / COST < 8
table(old, new)

# %% name="refusals"
from faults import EDITS, refusal, refusal_after_edit

TEXT = Path("prices/2026-10-15.toml").read_text()
why = {name: refusal(TEXT, *edit, old) for name, edit in EDITS.items()}
why["published file edited"] = refusal_after_edit(Path("prices"), "2026-07-01.toml")
refused = len(why)
assert refused == 9 and len(set(why.values())) == 8  # both steps for one reason
pd.Series(why, name="refused because").to_frame()

# %% name="invoice"
import rating
from account import OCTOBER, PACKS, PLANS, october
from rating import CENT, Usage, in_cents, rate

usage = october()
lines = rate(catalogue, OCTOBER, usage, PACKS, PLANS)
cents, total_cents = in_cents(lines)
assert sum(cents) == total_cents
each_rounded = sum((line.amount + CENT // 2) // CENT for line in lines)
line_gap = each_rounded - total_cents
bill = pd.DataFrame(lines).assign(cents=cents)
bill["list price [$]"] = (bill["listed"] / PICO).round(4)
records, invoice_lines = len(usage), len(lines)
assert records == 5_361
assert abs(line_gap) <= (invoice_lines + 1) / 2  # half a cent each, and the total
columns = ["quantity", "list price [$]", "cents"]
bill.groupby(["item", "version"])[columns].sum()

# %% name="rerate"
january = pd.Timestamp("2027-01-01", tz="UTC")
later = new.model_copy(update={"version": "2027-01", "effective_from": january})
again = rate(Catalogue([old, new, later]), OCTOBER, reversed(usage), PACKS, PLANS)
assert again == lines  # later prices and the order of arrival change nothing

overwritten = new.model_copy(update={"effective_from": old.effective_from})
wrong = rate(Catalogue([overwritten]), OCTOBER, usage, PACKS, PLANS)
lost = (total_cents - in_cents(wrong)[1]) / 100
assert lost > 0

late = Usage(OCTOBER[0] + pd.Timedelta("3h"), "output", False, 400_000)
corrected = in_cents(rate(catalogue, OCTOBER, [*usage, late], PACKS, PLANS))[1]
october_total, adjustment = total_cents / 100, (corrected - total_cents) / 100
output = old.meters["output"]
by_hand = late.quantity * output.rate(output.tiers[0], "peak") / PICO
assert 0 < adjustment < by_hand  # it also takes free units, which others then pay for
assert 179 < october_total < 180
assert line_gap != 0  # lines that are rounded by themselves do not add up
print(f"October: ${october_total:,.2f}; were prices overwritten, ${lost:,.2f} less")
print(f"late usage adds ${adjustment:.2f}; quantity x price would be ${by_hand:.2f}")

# %% name="plans"
from functools import cache

NOVEMBER = pd.Timestamp("2026-11-01", tz="UTC"), pd.Timestamp("2026-12-01", tz="UTC")
MONDAY = pd.Timestamp("2026-11-02 02:00", tz="UTC")  # 10:00 in Beijing: a peak hour
MIX = {"input": 500_000, "cached_input": 300_000, "output": 200_000}  # of a million


assert rating.mode_of(new.peak, Usage(MONDAY, "input", False, 1)) == "peak"


@cache
def cost(plan: str, millions: int) -> float:
    used = [Usage(MONDAY, meter, False, n * millions) for meter, n in MIX.items()]
    lines = rate(catalogue, NOVEMBER, used, plans=[(NOVEMBER[0], plan)])
    return in_cents(lines)[1] / 100


volumes = range(1, 1_001)
bills = {plan: [cost(plan, m) for m in volumes] for plan in new.plans}
costs = pd.DataFrame(bills, index=volumes)
assert (costs.diff().dropna() >= 0).all(axis=None)
best = costs.idxmin(axis="columns")
assert best.drop_duplicates().tolist() == ["payg", "pro", "commit"]
pro_from, commit_from = best.drop_duplicates().index[1:]
assert (pro_from, commit_from) == (54, 544)
idle_commit = costs.loc[100, "commit"] / costs.loc[100, "payg"]
top_saving = 1 - costs.loc[1_000, "commit"] / costs.loc[1_000, "payg"]
assert 5.2 < idle_commit < 5.4 and 0.195 < top_saving < 0.205  # the discount
costs.index.name = "million tokens"
shown = costs.loc[[10, pro_from, 100, commit_from, 1_000]]
shown.map("{:,.2f}".format).add_suffix(" [$]")

# %% name="plans-figure" tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np

points = np.unique(np.geomspace(10, 1_000, 90).astype(int))
fig, (upper, lower) = plt.subplots(2, figsize=(7, 6), sharex=True, layout="constrained")
for plan, style in zip(costs, ["-", "--", "-."]):
    upper.plot(points, costs.loc[points, plan], style, label=plan)
    lower.plot(points, costs.loc[points, plan] / points, style, label=plan)
for ax in (upper, lower):
    for change in (pro_from, commit_from):
        ax.axvline(change, color="0.5", linewidth=0.8, linestyle=":")
upper.set(xscale="log", yscale="log", ylabel="month's bill [$]")
lower.set(ylim=(0, 10), ylabel="effective price\n[$ per million tokens]")
lower.set(xlabel="tokens a month [millions]")
upper.yaxis.set_major_formatter("{x:,.0f}")
lower.xaxis.set_major_formatter("{x:,.0f}")
upper.legend()
plt.show()

# %% name="swing" tags=["sweep"] flips="too_uneven"
MEAN = 800  # million tokens a month, by turns more and less by as many per cent
ANNUAL = "commit, settled yearly"


def mean_bills(mean: int, swing: int) -> dict[str, float]:
    months = mean * (100 - swing) // 100, mean * (100 + swing) // 100
    bills = {plan: sum(cost(plan, m) for m in months) / 2 for plan in new.plans}
    return bills | {ANNUAL: max(2_000, bills["payg"] * 0.8)}


def flips_at(mean: int, plan: str = "commit") -> int:
    """The swing from which on this commitment is not cheapest; 101: never."""
    for swing in range(101):
        bills = mean_bills(mean, swing)
        if bills[plan] >= min(bills["payg"], bills["pro"]):
            return swing
    return 101


swings = pd.RangeIndex(101, name="swing [%]")
means = pd.DataFrame([mean_bills(MEAN, swing) for swing in swings], index=swings)
too_uneven = flips_at(MEAN)
others = means[["payg", "pro"]].min(axis="columns")
commits = means["commit"] < others
assert commits[:too_uneven].all() and not commits[too_uneven:].any()
assert (means[ANNUAL] < others).all()
at_550, at_1000 = flips_at(550), flips_at(1_000)
annual_550 = flips_at(550, ANNUAL)
assert annual_550 == 37 > at_550
assert at_550 < 25 and too_uneven == 61 and 75 < at_1000 < 80
short = MEAN * (100 - too_uneven) // 100
# It is the low months that cost: they pay the minimum.
assert cost("commit", short) == 2_000 > cost("payg", short)
means[::10].round(2).add_suffix(" [$]")

# %% name="wallet"
from rating import price

listed = [price(catalogue, [u])[1].total() for u in usage]
exact = price(catalogue, sorted(usage))[1].total()
assert sum(listed) == exact  # a record alone costs the same: none is in a higher tier
debits = [(amount + 500_000) // 10**6 for amount in listed]
assert max(abs(d * 10**6 - a) for d, a in zip(debits, listed)) <= 500_000
rows = []
for count in (1, 10, 100, len(listed)):
    debited = sum(debits[:count])
    invoiced = (sum(listed[:count]) + CENT // 2) // CENT * 10**4
    rows.append([count, abs(invoiced - debited), count / 2 + 5_000])
gaps = pd.DataFrame(rows, columns=["debits", "gap [u$]", "at most [u$]"])
gaps = gaps.set_index("debits")
assert (gaps["gap [u$]"] <= gaps["at most [u$]"]).all()
assert gaps["gap [u$]"].iloc[0] > 1_000  # from the cent, not from the debit
gaps

# %% name="windows"
from statistics import NormalDist

FEE, CAP = 20, 10  # $ a month; list price of what 7 days allow, then calls are blocked
WEEKS = np.array([0.4, 0.3, 0.2, 0.1])  # of a month's demand
users = np.array([NormalDist().inv_cdf((i + 0.5) / 1_000) for i in range(1_000)])


def break_even(median: float, spread: float = 1.2) -> list[float]:
    """Per cent of list price that serving may cost before the fee no longer pays it."""
    demand = median * np.exp(spread * users)  # a month's, at list price
    weekly = np.minimum(np.outer(demand, WEEKS), CAP).sum(axis=1)
    buyers = weekly > FEE  # to them the plan is cheaper than pay-as-you-go
    monthly = np.minimum(demand, 4 * CAP)
    return [100 * FEE / n.mean() for n in (weekly, weekly[buyers], monthly[buyers])]


starts = len(range(0, 31, 7))  # windows that begin in a month of 31 days, at most
safe = 100 * FEE / (starts * CAP)
assert safe == 40
medians = [5, 10, 20, 40, 80]
for spread in (0.8, 1.2, 1.6):
    limits = np.array([break_even(median, spread) for median in medians])
    assert (limits[:, 0] > limits[:, 1]).all() and (limits[:, 1] > limits[:, 2]).all()
    assert (limits > safe).all() and (np.diff(limits[:, 0]) < 0).all()
assert np.allclose(break_even(1e6), 50)  # all limits bind: $40 a month either way
columns = ["all users", "buyers", "buyers, monthly limit"]
limits = pd.DataFrame(map(break_even, medians), columns=columns, index=medians)
everyone, chosen = limits.loc[10, ["all users", "buyers"]]
assert 140 < everyone < 142 and 64 < chosen < 66
limits.index.name = "median demand [$]"
limits.map("{:.0f}%".format)

# %% name="cliff"
FIXED = 10 * 10**6  # u$ a month, on top
TABLE = [(10_000, 1_000), (50_000, 800), (100_000, 600), (10**9, 400)]  # calls, u$ each


def volume(calls: int) -> int:
    """u$ where the tier that the month reaches prices all its calls."""
    return FIXED + calls * next(price for top, price in TABLE if calls <= top)


rows = []
for top, each in TABLE[:-1]:
    beyond = volume(top + 1)
    padding = (beyond - FIXED) // each + 1  # from here on, buying more is cheaper
    assert volume(padding) > beyond >= volume(padding - 1)
    rows.append([f"{top:,}", volume(top) / 10**6, beyond / 10**6, f"{padding:,}"])
full, one_more = volume(50_000) / 10**6, volume(50_001) / 10**6
assert full == 50 and round(one_more) == 40
columns = ["calls", "bill [$]", "one call more [$]", "padding pays from"]
pd.DataFrame(rows, columns=columns).set_index("calls")

# %% name="push"
from rating import graduated

STEEP = [
    {"up_to": 1_000_000, "peak": "10.00", "batch": "1.00"},
    {"peak": "2.00", "batch": "1.00"},
]
steep = Meter(unit="token", per=1_000_000, tiers=STEEP)
alone = graduated(steep, 0, 1_000_000, "peak") / PICO
pushed = graduated(steep, 0, 1_000_000, "batch") / PICO
pushed += graduated(steep, 1_000_000, 1_000_000, "peak") / PICO
apart = alone + graduated(steep, 0, 1_000_000, "batch") / PICO  # tiers of each mode
assert pushed < alone < apart  # twice the usage, and a smaller bill
print(f"1M tokens at peak: ${alone:.2f}; after 1M batch tokens: ${pushed:.2f} for both")

# %% name="increments"
import math

MEDIAN, SPREAD, CALLS = 40, 1.0, 20_000
ways = {
    name: Meter(unit="second", tiers=[{"peak": "0.0001"}], increment=i, at_least=least)
    for name, i, least in [("60 s", 60, 1), ("1 s, min. 15 s", 1, 15), ("1 s", 1, 1)]
}
surcharge = pd.DataFrame(columns=list(ways), dtype=float)
for seed in range(5):
    lengths = np.random.default_rng(seed).lognormal(math.log(MEDIAN), SPREAD, CALLS)
    assert abs(np.median(lengths) - MEDIAN) < 1  # s
    for name, meter in ways.items():
        billed = sum(meter.billable(math.ceil(length)) for length in lengths)
        surcharge.loc[seed, name] = billed / lengths.sum() - 1
by_minute, at_least, by_second = surcharge.mean()
assert surcharge["60 s"].between(0.45, 0.55).all() and 0.5 < by_minute < 0.51
assert 2 * by_second < at_least < 0.03
assert (surcharge["60 s"] > 10 * surcharge["1 s, min. 15 s"]).all()
assert (surcharge.nunique() == 5).all()
surcharge.agg(["min", "mean", "max"]).map("{:.1%}".format)

# %% name="float"
from random import Random

chance, orders, tried_orders, totals = Random(0), 200, set(), set()
tokens = [u.quantity for u in usage if u.meter == "input"]
for _ in range(orders):
    chance.shuffle(tokens)
    tried_orders.add(tuple(tokens))
    totals.add((sum(n * 2_500_000 for n in tokens), sum(n * 0.0000025 for n in tokens)))
exact_totals, float_totals = (len(set(column)) for column in zip(*totals))
assert len(tried_orders) == orders and exact_totals == 1 and float_totals > 5
print(f"{float_totals} float totals in {orders} orders; of integers {exact_totals}")

# %% name="properties"
from cases import prove
from properties import PROPERTIES

cases = prove(rating, examples=120)  # raises, with a small example, if one fails
properties, tried = len(PROPERTIES), len(cases)
print(f"{properties} properties hold in {tried} cases")

# %% name="mutants"
from mutants import MUTANTS, blind_to_time_zone, mutant
from properties import broken

numbers = {holds.__name__: str(i) for i, holds in enumerate(PROPERTIES, 1)}
found = {bug: broken(mutant(*edit), cases) for bug, edit in MUTANTS.items()}
assert all(found.values())  # no bug survives, and no property is idle:
assert {name for names in found.values() for name in names} == numbers.keys()
bugs, volume_tiers = len(MUTANTS), found["the tier the month reaches prices all units"]
assert (properties, tried, bugs) == (8, 120, 18)
assert volume_tiers[0] == PROPERTIES[0].__name__

assert blind_to_time_zone(new.peak)  # at any hour of a week of the example
caught = {bug: ", ".join(map(numbers.get, names)) for bug, names in found.items()}
pd.Series(caught, name="properties that fail").rename_axis("planted bug").to_frame()
