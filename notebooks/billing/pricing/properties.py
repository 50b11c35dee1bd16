"""What must hold for any price list and any stream of usage."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from types import ModuleType

from catalogue import Catalogue
from rating import CENT, Line, Pack, Usage

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 1, tzinfo=UTC)
METERS = ("input", "output")


@dataclass(frozen=True)
class Case:
    catalogue: Catalogue
    later: Catalogue
    """The same, and a version that takes effect after the period."""
    usage: list[Usage]
    shuffled: list[Usage]
    """`usage` in another order; records that are not rounded up are cut in two."""
    extra: Usage
    packs: list[Pack]
    plan: str
    changed: datetime

    def rate(
        self,
        engine: ModuleType,
        usage: Sequence[Usage],
        catalogue: Catalogue | None = None,
        plans: Sequence[tuple[datetime, str]] = (),
    ) -> list[Line]:
        plans = plans or [(OCTOBER[0], self.plan)]
        known = catalogue or self.catalogue
        return engine.rate(known, OCTOBER, usage, self.packs, plans)


def total(lines: Sequence[Line]) -> int:
    return sum(line.amount for line in lines)


# --8<-- [start:properties]
def using_more_never_costs_less(engine: ModuleType, case: Case) -> None:
    before = total(case.rate(engine, case.usage))
    for units in range(4, 64, 4):
        more = replace(case.extra, quantity=units)
        after = total(case.rate(engine, [*case.usage, more]))
        assert after >= before
        before = after


def order_and_batching_do_not_matter(engine: ModuleType, case: Case) -> None:
    assert case.rate(engine, case.shuffled) == case.rate(engine, case.usage)


def each_unit_has_its_own_price(engine: ModuleType, case: Case) -> None:
    lines = engine.rate(case.catalogue, OCTOBER, case.usage, case.packs)
    assert sum(line.listed for line in lines) == unit_by_unit(case)


def later_price_lists_change_nothing(engine: ModuleType, case: Case) -> None:
    again = case.rate(engine, case.usage, catalogue=case.later)
    assert again == case.rate(engine, case.usage)


def lines_add_up_and_none_is_negative(engine: ModuleType, case: Case) -> None:
    lines = case.rate(engine, case.usage)
    cents, whole = engine.in_cents(lines)
    assert sum(cents) == whole
    assert abs(whole * CENT - total(lines)) * 2 <= CENT
    assert all(amount >= 0 for amount in [*cents, *(line.amount for line in lines)])
    used = [line for line in lines if line.item in METERS]
    listed = sum(line.listed for line in used)
    due = total(used)  # shared by the amounts at list price
    assert all(abs(line.amount * listed - line.listed * due) <= listed for line in used)


def a_plan_keeps_its_bounds(engine: ModuleType, case: Case) -> None:
    plan = case.catalogue.at(OCTOBER[0]).plans[case.plan]
    parts = [(OCTOBER[0], case.plan), (case.changed, case.plan)]
    for plans in (parts[:1], parts):
        lines = case.rate(engine, case.usage, plans=plans)
        listed = sum(line.listed for line in lines if line.item in METERS)
        due = total(lines) - plan.fee
        assert plan.minimum <= due <= listed + plan.minimum
        # Nor more of a discount than agreed; rounding takes less than 1 p$ a part.
        least = (listed - plan.included) * plan.percent
        assert due * 100 > least - 100 * len(plans)
        assert len(plans) > 1 or due <= max(plan.minimum, listed)


def a_month_in_two_parts_has_one_fee(engine: ModuleType, case: Case) -> None:
    parts = [(OCTOBER[0], case.plan), (case.changed, case.plan)]
    whole = total(case.rate(engine, []))
    assert total(case.rate(engine, [], plans=parts)) == whole


def expiring_first_covers_most(engine: ModuleType, case: Case) -> None:
    usage = sorted(case.usage)
    ours = sum(u.quantity for u in engine.draw(case.packs, usage))
    for order in itertools.permutations(case.packs):
        assert ours <= sum(u.quantity for u in uncovered(order, usage))


# --8<-- [end:properties]

PROPERTIES: list[Callable[[ModuleType, Case], None]] = [
    using_more_never_costs_less,
    order_and_batching_do_not_matter,
    each_unit_has_its_own_price,
    later_price_lists_change_nothing,
    lines_add_up_and_none_is_negative,
    a_plan_keeps_its_bounds,
    a_month_in_two_parts_has_one_fee,
    expiring_first_covers_most,
]


def uncovered(packs: Sequence[Pack], usage: Sequence[Usage]) -> list[Usage]:
    """What packs in this order of preference leave uncovered, found unit by unit."""
    left, rest = [pack.quantity for pack in packs], []
    for u in usage:
        units = 0
        for _ in range(u.quantity):
            for i, p in enumerate(packs):
                if left[i] and p.meter == u.meter and p.since <= u.at < p.until:
                    left[i] -= 1
                    break
            else:
                units += 1
        rest.append(replace(u, quantity=units))
    return rest


def rounded_up(case: Case, u: Usage) -> Usage:
    meter = case.catalogue.at(u.at).meters[u.meter]
    steps = math.ceil(max(u.quantity, meter.at_least) / meter.increment)
    return replace(u, quantity=steps * meter.increment)


def unit_by_unit(case: Case) -> int:
    """p$ at list price, as plainly as can be: each unit's price is looked up."""
    free = case.catalogue.at(OCTOBER[0]).free.items()
    packs = [*case.packs, *(Pack(meter, n, *OCTOBER) for meter, n in free)]
    packs.sort(key=lambda pack: pack.until)
    amount, used = 0, dict.fromkeys(METERS, 0)
    for u in uncovered(packs, [rounded_up(case, u) for u in sorted(case.usage)]):
        prices = [p for p in case.catalogue.lists if p.effective_from <= u.at][-1]
        there = u.at.astimezone(timezone(timedelta(hours=prices.peak.utc_offset)))
        hours = {h for start, stop in prices.peak.windows for h in range(start, stop)}
        peak = there.hour in hours and there.isoweekday() in prices.peak.weekdays
        mode = "batch" if u.batch else "peak" if peak else "off_peak"
        meter = prices.meters[u.meter]
        for _ in range(u.quantity):
            used[u.meter] += 1
            number = used[u.meter]
            tier = next(t for t in meter.tiers if number <= (t.up_to or number))
            amount += getattr(tier, mode) // meter.per
    return amount


def broken(engine: ModuleType, cases: Sequence[Case]) -> list[str]:
    """Names of the properties that one of the cases breaks."""

    def breaks(holds: Callable, case: Case) -> bool:
        try:
            holds(engine, case)
        except (AssertionError, ValueError):
            return True
        return False

    return [h.__name__ for h in PROPERTIES if any(breaks(h, case) for case in cases)]
