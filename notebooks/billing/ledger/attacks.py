"""What the service's role might try, what its owner can, and what the daily checks must find."""

import books
import psycopg

ENTRY = (
    "INSERT INTO entry (kind, ref, booked_on, effective_on)"
    " VALUES ('test', 'x', '2026-06-08', '2026-06-08')"
)


def postings(*lines: str, ref: str = "x") -> list[str]:
    """Each line is "account currency amount"."""
    return [
        "INSERT INTO posting SELECT id, '{}', '{}', {} FROM entry WHERE ref = '{}'".format(
            *line.split(), ref
        )
        for line in lines
    ]


REVERSAL = (
    "INSERT INTO entry (kind, ref, booked_on, effective_on, reverses)"
    " SELECT 'reversal', 'x', '2026-06-08', '2026-06-08', id FROM entry WHERE ref = 'bob-0520a'"
)
ATTACKS = {
    "one leg only": [ENTRY, *postings("wallet:ada USD -1000000")],
    "dollars against euros": [ENTRY, *postings("bank USD 100", "revenue.eur EUR -100")],
    "dollars into a euro account": [
        ENTRY,
        *postings("bank USD 100", "revenue.eur USD -100"),
    ],
    "no postings": [ENTRY],
    "add to an old entry": postings(
        "bank USD 100", "concessions USD -100", ref="bob-0520a"
    ),
    "the same job again": [ENTRY.replace("'test', 'x'", "'charge', 'ada-0501a'")],
    "overdraw": [
        ENTRY,
        *postings("wallet:ada USD 9000000000", "revenue USD -9000000000"),
    ],
    "into the closed month": [ENTRY.replace("06-08", "05-31")],
    "fill a wallet": ["UPDATE wallet SET funds = 1000000000"],
    "open a full wallet": [
        "INSERT INTO wallet (account, funds) VALUES ('promo:ada', 100)"
    ],
    "use it before it happens": [
        ENTRY.replace("06-08', '2026-06-08", "06-08', '2026-06-09")
    ],
    "reverse it twice": [REVERSAL, REVERSAL.replace("'x'", "'y'")],
    "edit": ["UPDATE posting SET amount = amount * 2"],
    "delete": ["DELETE FROM posting"],
    "reopen the month": ["UPDATE period SET closed_at = NULL"],
    "backdate the record": [
        "INSERT INTO entry (kind, ref, booked_on, effective_on, recorded_at)"
        " VALUES ('test', 'x', '2026-06-08', '2026-06-08', '2026-05-31')"
    ],
}

TEMP_TABLE = "CREATE TEMP TABLE posting (entry bigint, account text, currency text, amount bigint)"
# A balanced pair in a temporary table of that name: no leg, or one leg, in the books.
HIDDEN_NONE = [ENTRY, TEMP_TABLE, *postings("bank USD 1", "revenue USD -1")]
HIDDEN_ONE = [
    *HIDDEN_NONE,
    *(
        sql.replace("INTO ", "INTO public.")
        for sql in postings("wallet:ada USD -1000000")
    ),
]
ALLOWED = [
    "GRANT TEMPORARY ON DATABASE ledger TO billing_app",
    "SET LOCAL ROLE billing_app",
]

EDIT = "UPDATE posting SET amount = amount * 2"
# As owner, on both tables: the triggers refuse each, with a message of their own.
CHANGES = {
    (table, how): ["SET LOCAL ROLE ledger_owner", sql]
    for table, column in (("posting", "amount"), ("entry", "ref"))
    for how, sql in {
        "UPDATE": f"UPDATE {table} SET {column} = {column}",
        "DELETE": f"DELETE FROM {table}",
        "TRUNCATE": f"TRUNCATE {table} CASCADE",
    }.items()
}
POWERS = {
    "owner": ["SET LOCAL ROLE ledger_owner", EDIT],
    "owner, triggers off": [
        "SET LOCAL ROLE ledger_owner",
        "ALTER TABLE posting DISABLE TRIGGER USER",
        EDIT,
    ],
    "superuser": ["SET LOCAL session_replication_role = replica", EDIT],
}
# Each leaves one invariant broken, and no other.
BANK_100 = postings("bank USD 100", "revenue USD -100")
SABOTAGE = {
    "entry out of balance": [
        "UPDATE posting SET amount = amount - 1 WHERE account = 'fees'"
    ],
    "entry without postings": [ENTRY],
    "wallet is not its postings": ["UPDATE wallet SET funds = funds + 1"],
    "reversal is no mirror image": [
        REVERSAL,
        *BANK_100,
    ],
    "recorded after its month was closed": [ENTRY.replace("06-08", "05-31"), *BANK_100],
}


def outcome(db: psycopg.Connection, statements: list[str]) -> tuple[str, str]:
    """The error and what refused it: a constraint's name, or a message. Leaves no trace."""
    try:
        with db.transaction(force_rollback=True):
            for statement in statements:
                db.execute(statement)
            db.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what a commit would check
    except psycopg.Error as error:
        return type(
            error
        ).__name__, error.diag.constraint_name or error.diag.message_primary
    return "accepted", ""


def attack(
    app: psycopg.Connection, admin: psycopg.Connection
) -> dict[str, tuple[str, str]]:
    """What refuses each attack; those with a temporary table as if the role could make one."""
    for sql in (HIDDEN_NONE, HIDDEN_ONE):
        assert outcome(app, sql)[0] == "InsufficientPrivilege"
    refused = {name: outcome(app, sql) for name, sql in ATTACKS.items()}
    refused["hide no leg"] = outcome(admin, ALLOWED + HIDDEN_NONE)
    refused["hide one leg"] = outcome(admin, ALLOWED + HIDDEN_ONE)
    assert books.rights(admin, "sealer").keys() == {"SELECT", "INSERT"}
    assert refused["reverse it twice"][1] == "reversed_once"
    assert "has no postings" in refused["hide no leg"][1]
    assert "is out of balance" in refused["hide one leg"][1]
    return refused


def closing_waits(admin: psycopg.Connection, slow: psycopg.Connection) -> bool:
    """Is June not to be closed while an entry of June has not committed yet?"""
    slow.execute(ENTRY)
    close = "UPDATE period SET closed_at = clock_timestamp() WHERE month = '2026-06-01'"
    error, _ = outcome(admin, ["SET LOCAL lock_timeout = '50ms'", close])
    slow.rollback()
    slow.close()
    return error == "LockNotAvailable"


def check_sabotage(admin: psycopg.Connection) -> dict[str, list[str]]:
    """What the daily checks report after each way to break an invariant, past all triggers."""
    reported = {}
    for invariant, sql in SABOTAGE.items():
        with admin.transaction(force_rollback=True):
            admin.execute("SET LOCAL session_replication_role = replica")
            for statement in sql:
                admin.execute(statement)
            reported[invariant] = books.violations(admin)
    return reported
