"""A month of business: what the engine ran, what the payment provider paid out, what was booked."""

import csv
import json
import random
from datetime import date, timedelta

import pandas as pd
from books import find, in_may, post, reverse
from money import DOLLAR
from psycopg import Connection

MAY, JUNE, TODAY = date(2026, 5, 1), date(2026, 6, 1), date(2026, 6, 8)
CONTRACT = {"input": 3, "output": 15}  # u$ a token
MISTYPED = {"input": 15, "output": 3}  # what the live price list said on BUG_DAYS
BUG_DAYS = [date(2026, 5, day) for day in (12, 13, 14)]
OTHER_SALES = 44 * DOLLAR  # in May: a promotion used, an invoice, a month of a plan
JOBS = {  # customer: tokens in and out of a typical job
    "ada": (900_000, 40_000),  # questions about long documents
    "bob": (60_000, 1_600_000),  # writes code
    "cy": (220_000, 260_000),  # conversation
    "dee": (300_000, 120_000),
    "eva": (300_000, 90_000),  # pays in euros
    "fay": (500_000, 60_000),
}
CHART = {
    "asset": ["bank", "bank.eur", "processor", "processor.eur", "receivable:zed"],
    "liability": [
        "deferred",
        "tax",
        "wallet:gus",
        "held:gus",
        *(f"{kind}:{who}" for who in JOBS for kind in ("wallet", "promo")),
    ],
    "income": ["revenue", "revenue.eur", "concessions"],
    "expense": ["fees", "fees.eur", "promotions", "bad_debt"],
}


def open_books(owner: Connection, app: Connection) -> None:
    """The chart of accounts, and two months open for booking."""
    for month in (MAY, JUNE):
        owner.execute("INSERT INTO period VALUES (%s)", (month,))
    for class_, accounts in CHART.items():
        for account in accounts:
            currency = "EUR" if account.endswith((".eur", ":eva")) else "USD"
            row = (account, currency, class_)
            app.execute("INSERT INTO account VALUES (%s, %s, %s)", row)
            if account.startswith("wallet:"):
                app.execute("INSERT INTO wallet (account) VALUES (%s)", (account,))
    top_up(app, "pay-gus", "gus", MAY, 20 * DOLLAR)


def cost(job: dict, price: dict[str, int]) -> int:
    return sum(job[unit] * rate for unit, rate in price.items())


def revenue(customer: str) -> str:
    return "revenue.eur" if customer == "eva" else "revenue"


def charge(app: Connection, job: dict, price: dict[str, int] = CONTRACT) -> None:
    due = cost(job, price)
    lines = {f"wallet:{job['customer']}": due, revenue(job["customer"]): -due}
    post(app, "charge", job["job"], date.fromisoformat(job["day"]), lines)


def fee(gross: int) -> int:
    """2.9% + 30 cents."""
    return (gross * 29 + 500) // 1000 + 300_000


IN_TRANSIT = sum(gross - fee(gross) for gross in (200 * DOLLAR, 20 * DOLLAR))
"""Paid in May (pay-ada-2, pay-gus), paid out later."""


def top_up(app: Connection, ref: str, customer: str, day: date, gross: int) -> None:
    suffix = ".eur" if customer == "eva" else ""
    processor = {f"processor{suffix}": gross - fee(gross), f"fees{suffix}": fee(gross)}
    post(app, "top-up", ref, day, {**processor, f"wallet:{customer}": -gross})


def draw_jobs(first: date, days: int, chance: random.Random) -> list[dict]:
    """Two jobs a day and customer."""
    jobs = []
    for day in (first + timedelta(n) for n in range(days)):
        for customer, typical in JOBS.items():
            for n in "ab":
                used = [round(tokens * chance.uniform(0.7, 1.3)) for tokens in typical]
                name = f"{customer}-{day:%m%d}{n}"
                row = {"job": name, "customer": customer, "day": str(day)}
                jobs.append(row | dict(zip(CONTRACT, used)))
    return jobs


def run_jobs(first: date, days: int, chance: random.Random) -> list[dict]:
    """As the engine writes them into its own log."""
    jobs = draw_jobs(first, days, chance)
    with open("engine.jsonl", "a") as log:
        log.writelines(json.dumps(job) + "\n" for job in jobs)
    return jobs


def by_customer(wrong: pd.DataFrame) -> pd.DataFrame:
    """Charged too much, and too little: one does not make up for the other."""
    sides = {"due": wrong["due"], "too much": wrong["error"].clip(lower=0)}
    sides["too little"] = (-wrong["error"]).clip(lower=0)
    return pd.DataFrame(sides).groupby(wrong["customer"]).sum()


def other_draws(count: int) -> tuple[float, float]:
    """The largest net and the least absolute error of so many, in per cent."""
    net, gross = zip(*map(off, range(count)))
    return 100 * max(net), 100 * min(gross)


def off(seed: int) -> tuple[float, float]:
    """Of other draws: net and absolute error of the jobs in dollars, as shares of what was billed."""
    jobs = draw_jobs(BUG_DAYS[0], len(BUG_DAYS), random.Random(seed))
    pairs = [
        (cost(j, MISTYPED), cost(j, CONTRACT)) for j in jobs if j["customer"] != "eva"
    ]
    errors, billed = [took - due for took, due in pairs], sum(took for took, _ in pairs)
    return abs(sum(errors)) / billed, sum(map(abs, errors)) / billed


def engine_log() -> list[dict]:
    with open("engine.jsonl") as log:
        return [json.loads(line) for line in log]


def settle(rows: list[tuple[str, str, date, int]]) -> None:
    """The provider's report: payments, less its fee."""
    with open("settlement.csv", "a", newline="") as report:
        csv.writer(report).writerows((*row, fee(row[-1])) for row in rows)


def run_may(app: Connection, chance: random.Random) -> list[dict]:
    """Book May. Returns the jobs of the engine."""

    def book(kind: str, ref: str, day: int, lines: dict[str, int]) -> None:
        micro = {account: dollars * DOLLAR for account, dollars in lines.items()}
        post(app, kind, ref, date(2026, 5, day), micro)

    payments = [(f"pay-{who}", who, MAY, 2000 * DOLLAR) for who in JOBS]
    for payment in payments:
        top_up(app, *payment)
    settle(payments)
    book("promo", "welcome-cy", 3, {"promotions": 5, "promo:cy": -5})
    book("promo-use", "cy-trial", 3, {"promo:cy": 2, "revenue": -2})
    book("plan", "dee-may-june", 5, {"processor": 58, "fees": 2, "deferred": -60})
    jobs = run_jobs(MAY, 31, chance)
    for job in jobs:
        bug = date.fromisoformat(job["day"]) in BUG_DAYS
        charge(app, job, MISTYPED if bug else CONTRACT)
    book("refund", "bob-unspent", 20, {"wallet:bob": 50, "processor": -50})
    book("invoice", "zed-may", 30, {"receivable:zed": 12, "revenue": -12})
    book("write-off", "zed-may", 31, {"bad_debt": 12, "receivable:zed": -12})
    book("recognise", "dee-may", 31, {"deferred": 30, "revenue": -30})
    last = date(2026, 5, 31)
    each = 2000 * DOLLAR - fee(2000 * DOLLAR)
    for suffix, paid_out in (("", 5 * each + 8 * DOLLAR), (".eur", each)):
        lines = {f"bank{suffix}": paid_out, f"processor{suffix}": -paid_out}
        post(app, "payout", f"may{suffix}", last, lines)
    late = ("pay-ada-2", "ada", last, 200 * DOLLAR)  # paid out in June
    top_up(app, *late)
    settle([late])
    return jobs


def run_june(app: Connection, chance: random.Random) -> dict[tuple[str, str], str]:
    """A week into June, with errors. Returns what is wrong: (reference, customer) -> class."""
    jobs = {job["job"]: job for job in run_jobs(date(2026, 6, 2), 6, chance)}
    del jobs["ada-0603a"]  # its charge is lost
    wrong_price, wrong_customer = jobs.pop("cy-0607b"), jobs.pop("dee-0604a")
    for job in jobs.values():
        charge(app, job)
    charge(
        app, jobs["bob-0603b"] | {"job": "bob-0603b/retry"}
    )  # twice, under a new key
    charge(app, wrong_price, MISTYPED)
    charge(app, wrong_customer | {"customer": "fay"})
    run_jobs(date(2026, 6, 8), 1, chance)  # today's, not charged yet

    settle([(f"pay-{who}-2", who, JUNE, 100 * DOLLAR) for who in ("cy", "dee")])
    payments = {
        name: (f"pay-{name}", name[:3], date(2026, 6, day), 100 * DOLLAR)
        for name, day in {"dee-3": 2, "bob-2": 3, "ada-3": 2, "dee-4": 7}.items()
    }
    settle([payments["dee-3"], payments["bob-2"]])
    for name in ("dee-3", "ada-3", "dee-4"):  # the notice of bob-2 never came
        top_up(app, *payments[name])

    real = [("ada-0603a", "ada"), ("bob-0603b", "bob"), ("cy-0607b", "cy")]
    real += [("dee-0604a", "dee"), ("dee-0604a", "fay")]
    real += [("pay-ada-3", "ada"), ("pay-bob-2", "bob")]
    recent = [(f"{who}-0608{n}", who) for who in JOBS for n in "ab"]
    recent += [("pay-dee-4", "dee")]
    return dict.fromkeys(real, "real") | dict.fromkeys(recent, "timing")


def put_right(app: Connection, today: date) -> None:
    """What the people on call book, one thing for each real break."""
    ran = {job["job"]: job for job in engine_log()}
    charge(app, ran["ada-0603a"])
    for job in ("bob-0603b/retry", "cy-0607b", "dee-0604a"):
        reverse(app, find(app, "charge", job), f"june/{job}", today)
    for job in ("cy-0607b", "dee-0604a"):
        charge(app, ran[job] | {"job": f"{job}/corrected"})
    top_up(app, "pay-bob-2", "bob", date(2026, 6, 3), 100 * DOLLAR)
    reverse(app, find(app, "top-up", "pay-ada-3"), "june/pay-ada-3", today)


def repaired_twice(
    owner: Connection, jobs: list[dict], charged: dict, wrong: dict
) -> list[int]:
    """Ada's bill in a table without a ledger: as sent, and as a script that ran twice left it."""
    owner.execute("CREATE TABLE bill_line (job text, customer text, amount bigint)")
    lines = [(job["job"], job["customer"], charged[job["job"]]) for job in jobs]
    owner.cursor().executemany("INSERT INTO bill_line VALUES (%s, %s, %s)", lines)
    total = "SELECT sum(amount)::bigint FROM bill_line WHERE customer = 'ada'"
    bills = [owner.execute(total).fetchone()[0]]
    fix = "UPDATE bill_line SET amount = amount - %s WHERE job = %s"
    for _ in range(2):  # it timed out after its commit, and was started again
        owner.cursor().executemany(fix, [(error, job) for job, error in wrong.items()])
    return [*bills, owner.execute(total).fetchone()[0]]


def close_may(owner: Connection) -> int:
    """Returns the revenue in dollars that May reports, a credit."""
    owner.execute(
        "UPDATE period SET closed_at = clock_timestamp() WHERE month = '2026-05-01'"
    )
    return in_may(owner, "revenue", "booked_on")
