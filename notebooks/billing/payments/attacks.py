"""Deliveries that must not move money; all but three are signed by the provider itself."""

from collections.abc import Callable

import wallets
from harness import Stack


def attacks(stack: Stack, settled: str) -> dict[str, tuple[int, Callable[[], int]]]:
    """What is tried: the status it should get, and how to try it."""
    provider = stack.provider
    event = provider.sent[settled]
    header = provider.sign(event)
    for payment in ("paid $1 for $20", "paid in yen", "not paid"):
        wallets.create(stack.db, payment, payment, 2_000)
    # A real charge, but arranged in the customer's browser.
    one_dollar = {"payment": "paid $1 for $20", "amount": 100, "currency": "usd"}
    provider.charge(one_dollar)

    def variant(name: str, **changes: str) -> str:
        text = event.replace("evt_", f"evt_{name}_")
        for old, new in changes.items():
            text = text.replace(old, new)
        return text

    twin, unknown = variant("twin"), variant("unknown", succeeded="escheated")
    yen = variant("yen", usd="jpy", ch_="ch_yen_").replace(settled, "paid in yen")
    return {
        "signature guessed": (400, lambda: provider.send(event, header[:-4] + "beef")),
        "amount altered": (
            400,
            lambda: provider.send(event.replace("2000", "9000"), header),
        ),
        "replayed after 10 minutes": (400, lambda: provider.post(event, age=600)),
        "replayed at once": (200, lambda: provider.send(event, header)),
        "same fact, new event id": (200, lambda: provider.post(twin)),
        "$1 paid for an order of $20": (200, provider.deliver),
        "2,000 yen for 2,000 cents": (200, lambda: provider.post(yen)),
        "status we do not know": (200, lambda: provider.post(unknown)),
        "success page, not paid": (200, lambda: stack.come_back("not paid")),
    }
