"""Money: whole micro-dollars (u$) in, double entries out."""

MILLION, CENT = 1_000_000, 10_000


def post(db, kind: str, ref, lines: dict[str, int]) -> None:
    """One double entry. UNIQUE (kind, ref) makes it happen once.

    The constraints refuse an overdraft or an unbalanced entry.
    """
    transfer = db.execute(
        "INSERT INTO transfer (kind, ref) VALUES (%s, %s) RETURNING id",
        (kind, str(ref)),
    ).fetchone()[0]
    for account, amount in lines.items():
        if amount:
            row = (transfer, account, amount)
            db.execute("INSERT INTO posting VALUES (%s, %s, %s)", row)


def rate(db, version: int, ability: str, usage: dict[str, int]) -> int:
    """The price in u$ under one version of the price list, rounded down once a call."""
    rates = db.execute(
        "SELECT unit, rate FROM price WHERE version = %s AND ability = %s",
        (version, ability),
    ).fetchall()
    return sum(usage[unit] * per_million for unit, per_million in rates) // MILLION


def to_cents(parts: dict[str, int]) -> dict[str, int]:
    """Whole cents per line whose sum is the rounded total: largest remainders first."""
    total = (sum(parts.values()) + CENT // 2) // CENT
    cents = {name: micro // CENT for name, micro in parts.items()}
    largest_first = sorted(parts, key=lambda name: parts[name] % CENT, reverse=True)
    for name in largest_first[: total - sum(cents.values())]:
        cents[name] += 1
    return cents
