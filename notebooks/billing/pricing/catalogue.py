"""Price lists as data: checked when they are loaded, never changed once published."""

import hashlib
import json
import tomllib
from bisect import bisect_right
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pandas as pd
from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

PICO = 10**12  # p$ in a dollar
Mode = Literal["peak", "off_peak", "batch"]


def dollars(text: Any) -> int:
    """Whole p$. A price is written as a string: as a float it would be rounded on reading."""
    if not isinstance(text, str):
        raise ValueError(f"{text!r} is not a string")
    try:
        amount = Decimal(text) * PICO
    except InvalidOperation:
        raise ValueError(f"{text!r} is not a number") from None
    if not amount.is_finite() or amount < 0 or amount % 1:
        raise ValueError(f"{text} is not a whole number of p$")
    return int(amount)


Dollars = Annotated[int, BeforeValidator(dollars)]
Count = Annotated[int, Field(strict=True, gt=0)]


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Tier(Strict):
    up_to: Count | None = None
    peak: Dollars
    off_peak: Dollars
    batch: Dollars

    @model_validator(mode="before")
    @classmethod
    def _same_price_unless_given(cls, data: dict) -> dict:
        return {mode: data["peak"] for mode in get_args(Mode)} | data


class Meter(Strict):
    unit: str
    per: Count = 1
    increment: Count = 1
    """A record is rounded up to a multiple of this."""
    at_least: Count = 1
    tiers: tuple[Tier, ...]

    @model_validator(mode="after")
    def _complete(self) -> "Meter":
        tops = [tier.up_to for tier in self.tiers]
        if not tops or tops[-1] is not None or None in tops[:-1]:
            raise ValueError("the last tier, and no other, must be open")
        if any(low >= high for low, high in pairwise(tops[:-1])):
            raise ValueError("tiers must ascend")
        for tier in self.tiers:
            if any(getattr(tier, mode) % self.per for mode in get_args(Mode)):
                raise ValueError(f"a {self.unit} does not cost a whole number of p$")
        return self

    def rate(self, tier: Tier, mode: Mode) -> int:
        """p$ a unit."""
        return getattr(tier, mode) // self.per

    def billable(self, quantity: int) -> int:
        quantity = max(quantity, self.at_least) if quantity else 0
        return -(-quantity // self.increment) * self.increment


class Peak(Strict):
    utc_offset: int
    weekdays: tuple[int, ...]
    windows: tuple[tuple[int, int], ...]


class Plan(Strict):
    fee: Dollars = 0
    included: Dollars = 0
    minimum: Dollars = 0
    percent: Annotated[int, Field(strict=True, gt=0, le=100)] = 100
    """To pay, of what exceeds the included amount."""


class PriceList(Strict):
    version: str
    effective_from: AwareDatetime
    currency: Literal["USD"]
    peak: Peak
    free: dict[str, Count] = {}
    meters: dict[str, Meter]
    plans: dict[str, Plan]


class Catalogue:
    """All versions. Raises ValueError if they do not fit together."""

    def __init__(self, lists: Iterable[PriceList]) -> None:
        self.lists = sorted(lists, key=lambda prices: prices.effective_from)
        self._starts = [prices.effective_from for prices in self.lists]
        if len(set(self._starts)) < len(self.lists):
            raise ValueError("two versions take effect at the same time")
        for i, start in enumerate(self._starts):
            month = start + timedelta(days=31)
            _check_steps(
                [p for p in self.lists[max(i - 1, 0) :] if p.effective_from < month]
            )

    def at(self, instant: datetime) -> PriceList:
        """The version in force. Raises LookupError before the first."""
        i = bisect_right(self._starts, instant)
        if i == 0:
            raise LookupError(f"no prices at {instant}")
        return self.lists[i - 1]


# --8<-- [start:steps]
def _check_steps(versions: list[PriceList]) -> None:
    """A cheap unit may not save more, by pushing dear ones up a tier, than it costs."""
    for name in {name for prices in versions for name in prices.meters}:
        meters = [prices.meters[name] for prices in versions if name in prices.meters]
        cheapest = min(
            m.rate(t, mode) for m in meters for t in m.tiers for mode in get_args(Mode)
        )
        saved = sum(
            max(0, *(m.rate(low, mode) - m.rate(high, mode) for mode in get_args(Mode)))
            for m in meters
            for low, high in pairwise(m.tiers)
        )
        if saved > cheapest:
            raise ValueError(f"{name}: using more could cost less")


# --8<-- [end:steps]


def load(folder: Path) -> Catalogue:
    """The published price lists of `folder`. Raises ValueError if one is wrong or was edited."""
    published = json.loads((folder / "published.json").read_text())
    lists = []
    for path in sorted(folder.glob("*.toml")):
        content = path.read_bytes()
        if published.get(path.name) != hashlib.sha256(content).hexdigest():
            raise ValueError(f"{path.name} is not what was published")
        lists.append(PriceList.model_validate(tomllib.loads(content.decode())))
    return Catalogue(lists)


def table(old: PriceList, new: PriceList) -> pd.DataFrame:
    """Prices of both versions, in u$ a unit."""
    rows = []
    for name, meter in new.meters.items():
        above = 0
        for before, tier in zip(old.meters[name].tiers, meter.tiers):
            shown = [(before, "peak"), (tier, "peak"), (tier, "batch")]
            micro = [f"{meter.rate(t, mode) / 10**6:,g}" for t, mode in shown]
            rows.append([name, meter.unit, above, *micro])
            above = (tier.up_to or 0) // 10**6
    columns = ["meter", "u$ per", "above [M]", "July peak", "October peak", "batch"]
    return pd.DataFrame(rows, columns=columns).set_index("meter")
