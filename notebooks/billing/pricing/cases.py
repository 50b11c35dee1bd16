"""Hypothesis makes up price lists, usage, packs and plans."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from random import Random
from types import ModuleType
from typing import get_args

from catalogue import Catalogue, Mode, PriceList
from hypothesis import HealthCheck, Phase, given, reject, settings
from hypothesis import strategies as st
from properties import METERS, OCTOBER, PROPERTIES, Case
from rating import Pack, Usage


def price_list(chance: Random, version: str, start: datetime, level: int) -> PriceList:
    """Prices near `level` (1/100 cent for 1,000 units), any calendar of peak hours."""

    def tiers() -> list[dict]:
        tops = sorted(chance.sample(range(1, 80), chance.randrange(3)))
        price, made = level + chance.randrange(level // 4), []
        for top in [*tops, None]:
            cheaper = [price * chance.randrange(70, 100) // 100 for _ in range(2)]
            amounts = [f"{n // 10_000}.{n % 10_000:04}" for n in (price, *cheaper)]
            made.append({"up_to": top} | dict(zip(get_args(Mode), amounts)))
            price -= chance.randrange(level // 5)
        return made

    opens = chance.randrange(20)
    return PriceList.model_validate(
        {
            "version": version,
            "effective_from": start,
            "currency": "USD",
            "peak": {
                "utc_offset": chance.randrange(-11, 13),
                "weekdays": chance.sample(range(1, 8), chance.randrange(1, 7)),
                "windows": [[opens, chance.randrange(opens + 4, 25)]],
            },
            "free": {
                m: chance.randrange(1, 20) for m in METERS if chance.random() < 0.5
            },
            "meters": {
                m: {
                    "unit": "token",
                    "per": 1_000,
                    "increment": chance.choice([1, 1, 5]),
                    "at_least": chance.choice([1, 1, 15]),
                    "tiers": tiers(),
                }
                for m in METERS
            },
            "plans": {
                "payg": {},
                "pro": {
                    "fee": "0.2001",
                    "included": f"0.{chance.randrange(1, 80):03}",
                    "percent": chance.randrange(50, 101),
                },
                "commit": {
                    "minimum": f"0.{chance.randrange(1, 400):03}",
                    "percent": chance.randrange(50, 100),
                },
            },
        }
    )


instants = st.integers(0, 31 * 24 - 1).map(lambda h: OCTOBER[0] + timedelta(hours=h))


def records(most: int) -> st.SearchStrategy[Usage]:
    meters, batch = st.sampled_from(METERS), st.booleans()
    return st.builds(Usage, instants, meters, batch, st.integers(1, most))


@st.composite
def cases(draw: Callable) -> Case:
    chance = Random(draw(st.integers(0, 2**32)))
    level = chance.randrange(1_000, 20_000)
    begin, end = OCTOBER
    versions = [
        price_list(chance, "old", begin - timedelta(days=92), level),
        price_list(chance, "new", draw(instants), level),
        price_list(chance, "later", end + timedelta(days=1), level),
    ]
    try:
        known, later = Catalogue(versions[:2]), Catalogue(versions)
    except ValueError:  # the catalogue refuses such steps
        reject()
    usage = draw(st.lists(records(60), min_size=1, max_size=8))
    parts = []
    for u in usage:
        meter = known.at(u.at).meters[u.meter]
        by_unit = meter.increment == meter.at_least == 1
        cut = chance.randrange(u.quantity) if by_unit else 0
        parts += [replace(u, quantity=n) for n in (cut, u.quantity - cut) if n]
    chance.shuffle(parts)
    packs = []
    for _ in range(draw(st.integers(0, 3))):
        since = begin + timedelta(hours=chance.randrange(200))
        until = since + timedelta(hours=chance.randrange(100, 600))
        packs.append(Pack("input", chance.randrange(1, 40), since, until))
    plan = draw(st.sampled_from(["payg", "pro", "commit"]))
    return Case(
        known, later, usage, parts, draw(records(1)), packs, plan, draw(instants)
    )


def prove(engine: ModuleType, examples: int) -> list[Case]:
    """Try all properties on made-up cases, the same on each run. Returns the cases."""
    seen: list[Case] = []

    @settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def test(case: Case) -> None:
        seen.append(case)
        for holds in PROPERTIES:
            holds(engine, case)

    test()
    return seen
