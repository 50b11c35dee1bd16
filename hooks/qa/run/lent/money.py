"""Whole micro-dollars (u$, 1,000,000 to the dollar), shared out without losing one."""

from collections.abc import Mapping, Sequence

DOLLAR, CENT = 1_000_000, 10_000


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Whole parts of `total` in proportion to `weights`, adding up to it exactly.

    The largest remainders are rounded up (Hamilton's method); of equal ones the first. Raises
    ValueError if `total` or a weight is negative, or if all weights are zero.
    """
    if total < 0 or min(weights, default=0) < 0 or sum(weights) == 0:
        raise ValueError(f"cannot share {total} by the weights {list(weights)}")
    shares = [divmod(total * weight, sum(weights)) for weight in weights]
    parts = [whole for whole, _ in shares]
    largest_first = sorted(range(len(parts)), key=lambda i: -shares[i][1])
    for i in largest_first[: total - sum(parts)]:
        parts[i] += 1
    return parts


def to_cents(lines: Mapping[str, int]) -> dict[str, int]:
    """Whole cents for each line of micro-dollars, adding up to the rounded total."""
    micro = sum(lines.values())
    cents = (micro + CENT // 2) // CENT
    return (
        dict(zip(lines, apportion(cents, list(lines.values())), strict=True))
        if micro
        else dict.fromkeys(lines, 0)
    )
