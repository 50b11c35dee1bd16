"""The arithmetic of money that notebooks share."""

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).parents[2] / "hooks/qa/run/lent/money.py"
money = SimpleNamespace(**runpy.run_path(str(FILE)))
WEIGHTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any)


@given(st.integers(0, 10**12), WEIGHTS)
def test_parts_add_up_and_are_within_one_of_their_share(total: int, weights: list[int]) -> None:
    parts = money.apportion(total, weights)
    assert sum(parts) == total
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part * sum(weights) - total * weight) < sum(weights)


def test_of_equal_remainders_the_first_is_rounded_up() -> None:
    assert money.apportion(10, [1, 1, 1]) == [4, 3, 3]


@pytest.mark.parametrize(("total", "weights"), [(1, []), (1, [0, 0]), (1, [2, -1]), (-1, [1])])
def test_what_cannot_be_shared_is_refused(total: int, weights: list[int]) -> None:
    with pytest.raises(ValueError, match="cannot share"):
        money.apportion(total, weights)


@given(st.lists(st.integers(0, 10**9), max_size=20))
def test_cents_add_up_to_the_rounded_total(amounts: list[int]) -> None:
    cents = money.to_cents({str(i): amount for i, amount in enumerate(amounts)})
    assert len(cents) == len(amounts)
    assert sum(cents.values()) == (sum(amounts) + money.CENT // 2) // money.CENT
