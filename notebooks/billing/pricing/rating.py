"""Metered usage and price lists into invoice lines, in whole p$ (10^-12 dollars)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from catalogue import PICO, Catalogue, Meter, Mode, Peak
from money import apportion

CENT = PICO // 100


@dataclass(frozen=True, order=True)
class Usage:
    """One metered record. Sorted by event time, whatever the order of arrival."""

    at: datetime
    meter: str
    batch: bool
    quantity: int


@dataclass(frozen=True)
class Pack:
    """Prepaid or free units; `quantity` is what is left of them at the period's start."""

    meter: str
    quantity: int
    since: datetime
    until: datetime


@dataclass(frozen=True)
class Line:
    item: str
    version: str
    mode: str
    quantity: int
    listed: int
    """p$ at list price."""
    amount: int
    """p$ to pay."""


# --8<-- [start:tiers]
def graduated(meter: Meter, counted: int, quantity: int, mode: Mode) -> int:
    """p$ for the units after `counted`, each at the price of its own tier."""
    end, bottom, amount = counted + quantity, 0, 0
    for tier in meter.tiers:
        top = tier.up_to or max(end, bottom)
        units = max(0, min(end, top) - max(counted, bottom))
        amount += units * meter.rate(tier, mode)
        bottom = top
    return amount


# --8<-- [end:tiers]


def mode_of(peak: Peak, usage: Usage) -> Mode:
    local = usage.at + timedelta(hours=peak.utc_offset)
    if usage.batch:
        return "batch"
    in_window = any(start <= local.hour < stop for start, stop in peak.windows)
    return "peak" if in_window and local.isoweekday() in peak.weekdays else "off_peak"


def draw(packs: Iterable[Pack], records: Iterable[Usage]) -> Iterator[Usage]:
    """The records less what packs cover; the pack that expires first is used first."""
    queue = sorted(packs, key=lambda pack: pack.until)
    left = [pack.quantity for pack in queue]
    for record in records:
        need = record.quantity
        for i, pack in enumerate(queue):
            if pack.meter == record.meter and pack.since <= record.at < pack.until:
                taken = min(need, left[i])
                left[i] -= taken
                need -= taken
        if need:
            yield replace(record, quantity=need)


# --8<-- [start:price]
def price(catalogue: Catalogue, usage: Iterable[Usage]) -> tuple[Counter, Counter]:
    """Units, and p$ at list price, by (meter, version, mode)."""
    counted, units, listed = Counter(), Counter(), Counter()
    for u in usage:
        prices = catalogue.at(u.at)  # the version of the moment of use
        meter, mode = prices.meters[u.meter], mode_of(prices.peak, u)
        amount = graduated(meter, counted[u.meter], u.quantity, mode)
        counted[u.meter] += u.quantity
        units[u.meter, prices.version, mode] += u.quantity
        listed[u.meter, prices.version, mode] += amount
    return units, listed


# --8<-- [end:price]


def rate(
    catalogue: Catalogue,
    period: tuple[datetime, datetime],
    usage: Iterable[Usage],
    packs: Iterable[Pack] = (),
    plans: Sequence[tuple[datetime, str]] = (),
) -> list[Line]:
    """The lines of one account. `plans`: which one since when, from the period's start on."""
    begin, end = period
    terms = catalogue.at(begin)  # plans and free units: as they were at the start
    free = [Pack(meter, n, begin, end) for meter, n in terms.free.items()]
    records = []
    for u in sorted(usage):
        meter = catalogue.at(u.at).meters[u.meter]
        records.append(replace(u, quantity=meter.billable(u.quantity)))
    uncovered = list(draw([*free, *packs], records))

    plans = plans or [(begin, "payg")]
    stops = [*(at for at, _ in plans[1:]), end]
    seconds = [int((stop - at).total_seconds()) for (at, _), stop in zip(plans, stops)]
    lines = []
    for i, ((start, name), stop) in enumerate(zip(plans, stops)):
        plan = terms.plans[name]
        whole = plan.fee, plan.included, plan.minimum
        fee, included, minimum = (apportion(amount, seconds)[i] for amount in whole)
        # Tiers count anew with each plan.
        units, listed = price(catalogue, [u for u in uncovered if start <= u.at < stop])
        # --8<-- [start:plan]
        charge = max(0, listed.total() - included) * plan.percent // 100
        shortfall = max(0, minimum - charge)
        # --8<-- [end:plan]
        weights = list(listed.values())
        amounts = apportion(charge, weights) if charge else [0] * len(weights)
        if fee:
            lines.append(Line("fee", terms.version, "", 1, fee, fee))
        for key, amount in zip(listed, amounts):
            lines.append(Line(*key, units[key], listed[key], amount))
        if shortfall:
            lines.append(Line("shortfall", terms.version, "", 1, 0, shortfall))
    return lines


# --8<-- [start:invoice]
def in_cents(lines: Sequence[Line]) -> tuple[list[int], int]:
    """Cents for each line and in total: the only rounding that anybody can see."""
    amounts = [line.amount for line in lines]
    total = (sum(amounts) + CENT // 2) // CENT
    return apportion(total, amounts) if total else [0] * len(amounts), total


# --8<-- [end:invoice]
