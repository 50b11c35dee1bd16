"""Deliveries that must not move money, beside two that may: what is sent, and what is expected."""

import json
from collections.abc import Callable

import pandas as pd
import wallets
from harness import Stack

Attack = tuple[int, int, Callable[[], int]]  # status, dollars, how


def attacks(stack: Stack, settled: str) -> dict[str, Attack]:
    provider, page = stack.provider, stack.success_page
    event = provider.sent[settled]
    header = provider.sign(event)
    for payment in ("paid $1 for $20", "paid in yen", "not paid"):
        wallets.create(stack.db, payment, payment, 2_000)
    provider.lost |= {"genuine", "two secrets"}
    for payment in ("genuine", "two secrets"):
        stack.pay(payment)
    genuine = stack.last_event("genuine")
    rotated = stack.last_event("two secrets")
    both = (
        f"{provider.sign(rotated, secret='whsec_next')},{provider.sign(rotated)[13:]}"
    )
    # A real charge, but arranged in the customer's browser.
    one_dollar = {"payment": "paid $1 for $20", "amount": 100, "currency": "usd"}
    provider.charge(one_dollar)
    altered, spaced = event.replace("2000", "9000"), json.dumps(json.loads(event))

    def variant(name: str, **changes: str) -> str:
        text = event.replace("evt_", f"evt_{name}_")
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    yen = variant("yen", usd="jpy", ch_="ch_yen_", pi_="pi_yen_").replace(
        settled, "paid in yen"
    )
    unknown = variant("unknown", succeeded="escheated")
    return {
        "genuine": (200, 20, lambda: provider.post(genuine)),
        "two secrets while rotating": (200, 20, lambda: provider.send(rotated, both)),
        "amount altered": (400, 0, lambda: provider.send(altered, header)),
        "parsed and written again": (400, 0, lambda: provider.send(spaced, header)),
        "secret of the test mode": (400, 0, lambda: stack.post_as(event, "whsec_test")),
        "replayed after 10 minutes": (400, 0, lambda: provider.post(event, age=600)),
        "no signature": (400, 0, lambda: provider.send(event, "")),
        "replayed at once": (200, 0, lambda: provider.send(event, header)),
        "same fact, new event id": (200, 0, lambda: provider.post(variant("twin"))),
        "$1 paid for an order of $20": (200, 0, provider.deliver),
        "2,000 yen for 2,000 cents": (200, 0, lambda: provider.post(yen)),
        "status we do not know": (200, 0, lambda: provider.post(unknown)),
        "success page, not paid": (200, 0, lambda: page("not paid").status_code),
    }


def trial(stack: Stack, settled: str) -> pd.DataFrame:
    """What each delivery brought; it must be what was expected."""
    rows = {}
    for name, (*expected, send) in attacks(stack, settled).items():
        before, answer = stack.money(), send()
        stack.work()
        rows[name] = [answer, stack.money() - before]
        assert rows[name] == expected, name
    columns = ["HTTP status", "money moved [$]"]
    table = pd.DataFrame.from_dict(rows, "index", columns=columns)
    return table.rename_axis("delivery")
