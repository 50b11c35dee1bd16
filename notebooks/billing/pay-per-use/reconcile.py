"""Compare two books that were kept apart: what the engine says it did, and what the ledger took."""

import ledger
import pandas as pd
from psycopg import Connection


def reconcile(conn: Connection, engine_log: str) -> pd.DataFrame:
    ran = pd.read_json(engine_log, lines=True)
    ran["due"] = [
        ledger.cost(*used)
        for used in ran[["input", "cached", "output"]].itertuples(index=False)
    ]
    accounts = {row[0] for row in conn.execute("SELECT id FROM account").fetchall()}
    ran = ran[ran["request"].str.split("/").str[0].isin(accounts)]
    took = pd.DataFrame(
        conn.execute(
            "SELECT account || '/' || key || '/' || attempt, -amount FROM ledger"
            " JOIN call USING (account, key) WHERE kind = 'charge'"
        ).fetchall(),
        columns=["request", "taken"],
    )
    calls = {
        row[0]
        for row in conn.execute("SELECT account || '/' || key FROM call").fetchall()
    }
    both = ran.merge(took, on="request", how="outer", indicator=True)
    on_record = both["request"].str.rsplit("/", n=1).str[0].isin(calls)
    both["finding"] = "amount differs"
    both.loc[both["_merge"] == "right_only", "finding"] = "charged, never run"
    both.loc[(both["_merge"] == "left_only") & on_record, "finding"] = (
        "failed or lost attempt, not charged"
    )
    both.loc[(both["_merge"] == "left_only") & ~on_record, "finding"] = (
        "run, no call on record"
    )
    differ = both.loc[
        both["due"] != both["taken"], ["request", "finding", "due", "taken"]
    ]
    return differ.astype({"due": "Int64", "taken": "Int64"})
