"""Bugs to plant in the rating engine: a piece of its source, and what to put there."""

from datetime import timedelta
from pathlib import Path
from types import ModuleType

import rating
from catalogue import Peak
from properties import OCTOBER

PRICED = "graduated(meter, counted[u.meter], u.quantity, mode)"
MONTH = "sum(v.quantity for v in usage if v.meter == u.meter)"
VOLUME = (
    f"next(meter.rate(t, mode) for t in meter.tiers if {MONTH} <= (t.up_to or 1e9))"
)
MUTANTS = {
    "the tier the month reaches prices all units": (PRICED, f"u.quantity * {VOLUME}"),
    "a record that reaches a tier is priced as a whole": (
        "max(0, min(end, top) - max(counted, bottom))",
        "(quantity if bottom < end <= top else 0)",
    ),
    "tiers start again with each record": ("counted[u.meter] += u.quantity", "pass"),
    "latest prices, not those of the moment of use": (
        "prices = catalogue.at(u.at)",
        "prices = catalogue.lists[-1]",
    ),
    "records in order of arrival": ("in sorted(usage)", "in usage"),
    "each record rounded to a whole u$": (PRICED, f"{PRICED} // 10**6 * 10**6"),
    "weekday by UTC, hour by local time": (
        "local.isoweekday()",
        "usage.at.isoweekday()",
    ),
    "batch price forgotten": ("if usage.batch", "if False"),
    "the pack that expires last goes first": (
        "lambda pack: pack.until)",
        "lambda pack: pack.until, reverse=True)",
    ),
    "expired packs still count": ("<= record.at < pack.until", "<= record.at"),
    "included usage exceeds usage": (
        "max(0, listed.total() - included)",
        "(listed.total() - included)",
    ),
    "whole included amount for each part of the month": (
        "listed.total() - included",
        "listed.total() - plan.included",
    ),
    "discount before the included amount": (
        "max(0, listed.total() - included) * plan.percent // 100",
        "max(0, listed.total() * plan.percent // 100 - included)",
    ),
    "increment and minimum of a record forgotten": (
        "quantity=meter.billable(u.quantity)",
        "quantity=u.quantity",
    ),
    "minimum on top of usage": ("max(0, minimum - charge)", "minimum"),
    "full fee for each part of the month": ("apportion(amount, seconds)[i]", "amount"),
    "a charge is shared by quantity": (
        "weights = list(listed.values())",
        "weights = list(units.values())",
    ),
    "each line rounded to cents by itself": (
        "apportion(total, amounts)",
        "[(amount + CENT // 2) // CENT for amount in amounts]",
    ),
}


def mutant(old: str, new: str) -> ModuleType:
    """The engine with one piece of its source replaced."""
    source = Path(rating.__file__).read_text()
    assert source.count(old) == 1, old
    module = ModuleType("rating")
    exec(compile(source.replace(old, new), "mutant", "exec"), module.__dict__)
    return module


def blind_to_time_zone(peak: Peak) -> bool:
    """Whether the weekday by UTC makes no difference, at any hour of a week."""
    blind = mutant(*MUTANTS["weekday by UTC, hour by local time"])
    hours = [OCTOBER[0] + timedelta(hours=h) for h in range(168)]
    week = [rating.Usage(at, "input", False, 1) for at in hours]
    return all(blind.mode_of(peak, u) == rating.mode_of(peak, u) for u in week)
