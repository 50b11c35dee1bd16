"""Compare two books that were kept apart: what the engine ran, what the ledger took."""

import ledger
import pandas as pd
from psycopg import Connection

# Tokens that may be under way when a stream is cut; far less than a call costs.
TOLERANCE = ledger.cost(0, 0, 20)


def reconcile(conn: Connection, engine_log: str) -> pd.DataFrame:
    def column(sql: str) -> set[str]:
        return {value for (value,) in conn.execute(sql).fetchall()}

    ran = pd.read_json(engine_log, lines=True)
    tokens = ran[["input", "cached", "output"]].itertuples(index=False)
    ran["due"] = [ledger.cost(*each) for each in tokens]
    account = ran["request"].str.split("/").str[0]
    ran = ran[account.isin(column("SELECT id FROM account"))]

    charges = conn.execute(
        """SELECT account || '/' || key || '/' || attempt, -amount
           FROM ledger JOIN call USING (account, key) WHERE kind = 'charge'"""
    ).fetchall()
    took = pd.DataFrame(charges, columns=["request", "taken"])

    both = ran.merge(took, on="request", how="outer", indicator=True)
    attempts = "account || '/' || key || '/' || generate_series(1, attempt)"
    on_record = both["request"].isin(column(f"SELECT {attempts} FROM call"))
    not_charged = both["_merge"] == "left_only"
    both["finding"] = "amount differs"
    short = both["due"] - both["taken"]
    cut = (both["finish"] == "aborted") & short.between(0, TOLERANCE)
    both.loc[cut, "finding"] = "cut stream, within tolerance"
    both.loc[both["_merge"] == "right_only", "finding"] = "charged, never run"
    both.loc[not_charged & on_record, "finding"] = "failed or lost attempt, not charged"
    both.loc[not_charged & ~on_record, "finding"] = "run, no call on record"
    used = both["request"].isin(
        column("SELECT account || '/' || key || '/' || attempt FROM usage")
    )
    both.loc[not_charged & used, "finding"] = "usage on record, not charged"
    differ = both[both["due"] != both["taken"]]
    columns = differ[["request", "finding", "due", "taken"]]
    return columns.astype({"due": "Int64", "taken": "Int64"})


def accounts_that_deviate(conn: Connection) -> int:
    """Of the ledger alone: whose balance is not the sum of its lines."""
    return conn.execute(
        """SELECT count(*) FROM account a WHERE balance <>
               (SELECT sum(amount) FROM ledger l WHERE l.account = a.id)"""
    ).fetchone()[0]
