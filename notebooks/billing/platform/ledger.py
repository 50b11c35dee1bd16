"""Money: whole micro-dollars (u$) in, double entries out."""

from money import DOLLAR


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


def rate(db, version: int, model: str, usage: dict[str, int]) -> int:
    """The price in u$ under one version of the price list, rounded down once a call."""
    rates = db.execute(
        "SELECT unit, rate FROM price WHERE version = %s AND model = %s",
        (version, model),
    ).fetchall()
    price = dict(rates)  # a unit without a price is an error, not free
    return sum(count * price[unit] for unit, count in usage.items()) // DOLLAR
