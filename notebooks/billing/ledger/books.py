"""Writing and reading the books. Amounts are u$ (or u€): debit > 0, credit < 0."""

from datetime import date
from decimal import Decimal

import pandas as pd
from psycopg import Connection

POST = """
    WITH e AS (INSERT INTO entry (kind, ref, booked_on, effective_on, reverses)
               VALUES (%(kind)s, %(ref)s, %(day)s, %(effective)s, %(reverses)s)
               ON CONFLICT (kind, ref) DO NOTHING RETURNING id)
    INSERT INTO posting (entry, account, currency, amount)
    SELECT e.id, line.account, account.currency, line.amount
    FROM e, unnest(%(accounts)s::text[], %(amounts)s::bigint[]) AS line (account, amount)
        LEFT JOIN account ON account.id = line.account
    ORDER BY line.account  -- always in this order: two entries never wait for each other's wallets
    RETURNING entry
"""


def post(
    db: Connection,
    kind: str,
    ref: str,
    day: date,
    lines: dict[str, int],
    reverses: int | None = None,
    effective: date | None = None,
) -> int | None:
    """Book one event, in one statement. None if just this is booked already.

    Raises ValueError if (kind, ref) is in the books with other lines.
    """
    lines = {account: amount for account, amount in lines.items() if amount}
    accounts, amounts = list(lines), list(lines.values())
    values = {"kind": kind, "ref": ref, "day": day, "reverses": reverses}
    values["effective"] = effective or day
    values |= {"accounts": accounts, "amounts": amounts}
    booked = db.execute(POST, values).fetchone()
    if booked is None and lines_of(db, find(db, kind, ref)) != lines:
        raise ValueError(f"{kind} {ref} is in the books with other lines")
    return booked and booked[0]


def reverse(db: Connection, entry: int, ref: str, day: date) -> int | None:
    """Take an entry back by its mirror image, on a day whose month is open."""
    mirror = {account: -amount for account, amount in lines_of(db, entry).items()}
    return post(db, "reversal", ref, day, mirror, reverses=entry)


def find(db: Connection, kind: str, ref: str) -> int:
    row = db.execute("SELECT id FROM entry WHERE (kind, ref) = (%s, %s)", (kind, ref))
    return row.fetchone()[0]


def lines_of(db: Connection, entry: int) -> dict[str, int]:
    sql = "SELECT account, amount FROM posting WHERE entry = %s"
    return dict(db.execute(sql, (entry,)).fetchall())


def settled(db: Connection) -> pd.DataFrame:
    """What became of each hold, in the order of booking."""
    rows = db.execute("""
        SELECT ref, jsonb_object_agg(split_part(account, ':', 1), abs(amount))
        FROM entry JOIN posting ON posting.entry = id
        WHERE kind = 'settle' GROUP BY id ORDER BY id""").fetchall()
    table = pd.DataFrame(dict(rows)).T.rename_axis("call")
    names = {"held": "held", "wallet": "given back", "revenue": "revenue", "tax": "tax"}
    return table[list(names)].rename(columns=names)


def in_may(db: Connection, account: str, by: str) -> int:
    """Debits less credits of May, as its books have them (booked_on) or as it was (effective_on)."""
    sql = f"""SELECT coalesce(sum(amount), 0)::bigint FROM posting JOIN entry ON id = entry
              WHERE account = %s AND date_trunc('month', {by}::timestamp) = '2026-05-01'"""
    return db.execute(sql, (account,)).fetchone()[0]


def funds(db: Connection, customer: str) -> int:
    sql = "SELECT funds FROM wallet WHERE account = %s"
    return db.execute(sql, (f"wallet:{customer}",)).fetchone()[0]


def rights(db: Connection, role: str) -> dict[str, str]:
    """Which privilege a role has on which tables, or on columns of them."""
    rows = db.execute(
        """SELECT privilege_type, string_agg(DISTINCT table_name, ', ')
           FROM (SELECT grantee, privilege_type, table_name FROM information_schema.table_privileges
                 UNION SELECT grantee, privilege_type, table_name
                 FROM information_schema.column_privileges) AS granted
           WHERE grantee = %s GROUP BY 1""",
        (role,),
    )
    return dict(rows.fetchall())


def charges(db: Connection) -> dict[str, int]:
    """What was taken for each job."""
    rows = db.execute("""
        SELECT ref, amount FROM entry JOIN posting ON posting.entry = entry.id
        WHERE kind = 'charge' AND account LIKE 'wallet:%'""")
    return dict(rows.fetchall())


def violations(db: Connection) -> list[str]:
    rows = db.execute("SELECT DISTINCT invariant FROM violation ORDER BY 1")
    return [invariant for (invariant,) in rows]


def trial_balance(db: Connection) -> pd.DataFrame:
    """Debit and credit balances; accounts of customers are taken together."""
    rows = db.execute("""
        SELECT split_part(id, ':', 1) AS account, account.currency, sum(amount)::bigint
        FROM account JOIN posting ON account.id = posting.account
        GROUP BY class, 1, 2 ORDER BY 2 DESC, class, 1""").fetchall()
    table = pd.DataFrame(rows, columns=["account", "currency", "balance"])
    table["debit"] = table["balance"].clip(lower=0)
    table["credit"] = -table["balance"].clip(upper=0)
    return table[table["balance"] != 0].drop(columns="balance")


def money(cell: object) -> object:
    """Micro-units as units, exactly, nothing for zero; anything else as it is."""
    if not isinstance(cell, int):
        return cell
    return f"{Decimal(cell).scaleb(-6):,.6f}" if cell else ""
