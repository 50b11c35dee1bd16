"""Reserve, record, settle, release: every change of money is one short PostgreSQL transaction."""

from collections.abc import Callable
from datetime import datetime, timedelta

from psycopg import Connection, Error

# Short, so that the demonstration need not wait; minutes in production.
LEASE = timedelta(seconds=0.5)
# For a request without a limit: held, and sent to the engine.
DEFAULT_MAX_TOKENS = 256
# Micro-dollars per million tokens.
PRICE = {"input": 3_000_000, "cached": 300_000, "output": 15_000_000}


class InsufficientFunds(Exception):
    pass


def cost(input: int, cached: int, output: int) -> int:
    """Price of one call in micro-dollars, rounded down once. `input` includes `cached`."""
    plain = (input - cached) * PRICE["input"]
    return (plain + cached * PRICE["cached"] + output * PRICE["output"]) // 1_000_000


def ceiling(input: int, max_tokens: int, n: int = 1) -> int:
    """The most a call can cost: nothing cached, all `max_tokens` of `n` answers."""
    return cost(input, 0, n * max_tokens)


def top_up(conn: Connection, account: str, amount: int, key: str) -> None:
    with conn.transaction():
        conn.execute(
            "INSERT INTO account (id, balance) VALUES (%s, 0) ON CONFLICT DO NOTHING",
            (account,),
        )
        new = conn.execute(
            """INSERT INTO ledger (account, kind, key, amount)
               VALUES (%s, 'topup', %s, %s) ON CONFLICT DO NOTHING""",
            (account, key, amount),
        ).rowcount
        conn.execute(
            "UPDATE account SET balance = balance + %s WHERE id = %s",
            (new * amount, account),
        )


def reserve(
    conn: Connection,
    account: str,
    key: str,
    fingerprint: str,
    hold: int,
    step: Callable[[str], None] = lambda name: None,
) -> tuple[str, int]:
    """Claim the key and hold the funds, or say who owns the key: (state, attempt)."""
    with conn.transaction():
        claimed = conn.execute(
            """INSERT INTO call (account, key, fingerprint, hold, lease_until)
               VALUES (%s, %s, %s, %s, now() + %s)
               ON CONFLICT (account, key) DO UPDATE
               SET state = 'reserved', attempt = call.attempt + 1,
                   hold = excluded.hold, lease_until = excluded.lease_until
               WHERE call.state = 'released' AND call.fingerprint = excluded.fingerprint
               RETURNING attempt""",
            (account, key, fingerprint, hold, LEASE),
        ).fetchone()
        if claimed is None:
            state, attempt, known = conn.execute(
                """SELECT state, attempt, fingerprint FROM call
                   WHERE account = %s AND key = %s""",
                (account, key),
            ).fetchone()
            if known != fingerprint:
                state = "mismatch"
            elif state != "settled":
                state = "busy"
            return state, attempt
        # Check and write in one statement: no gap for another call to slip into.
        funded = conn.execute(
            """UPDATE account SET held = held + %s
               WHERE id = %s AND balance - held >= %s""",
            (hold, account, hold),
        ).rowcount
        if not funded:
            raise InsufficientFunds  # the exception rolls the claim back too
        step("reserving")
    return "reserved", claimed[0]


# --8<-- [start:open]
CALL = "account = %(account)s AND key = %(key)s AND attempt = %(attempt)s"
OPEN = CALL + " AND state = 'reserved'"
# --8<-- [end:open]


def record(
    conn: Connection,
    call: dict,
    input: int,
    cached: int,
    output: int,
    finish: str,
    reply: str,
) -> bool:
    """Write down what was used, once, while the call is still ours; renew the lease."""
    with conn.transaction():
        ours = conn.execute(
            f"UPDATE call SET lease_until = now() + %(lease)s WHERE {OPEN}",
            call | {"lease": LEASE},
        ).rowcount
        if ours:
            conn.execute(
                "INSERT INTO usage VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (*call.values(), input, cached, output, finish, reply),
            )
    return bool(ours)


def settle(
    conn: Connection, call: dict, step: Callable[[str], None] = lambda name: None
) -> bool:
    """Turn the hold into a charge, never above it. Safe to repeat: the call is open once."""
    with conn.transaction():
        used = conn.execute(
            f"SELECT input, cached, output FROM usage WHERE {CALL}", call
        ).fetchone()
        if used is None:
            return False
        closed = conn.execute(
            f"""UPDATE call SET state = 'settled', charge = least(%(due)s, hold)
                WHERE {OPEN} RETURNING hold, charge""",
            call | {"due": cost(*used)},
        ).fetchone()
        if closed is None:
            return False
        hold, charge = closed
        conn.execute(
            "UPDATE account SET balance = balance - %s, held = held - %s WHERE id = %s",
            (charge, hold, call["account"]),
        )
        conn.execute(
            """INSERT INTO ledger (account, kind, key, amount)
               VALUES (%s, 'charge', %s, %s)""",
            (call["account"], call["key"], -charge),
        )
        step("settling")
    return True


def release(conn: Connection, call: dict, expired_at: datetime | None = None) -> bool:
    """Give the whole hold back; with `expired_at` only if the lease has really run out."""
    with conn.transaction():
        closed = conn.execute(
            f"UPDATE call SET state = 'released' WHERE {OPEN}"
            " AND (%(at)s::timestamptz IS NULL OR lease_until < %(at)s) RETURNING hold",
            call | {"at": expired_at},
        ).fetchone()
        if closed:
            conn.execute(
                "UPDATE account SET held = held - %s WHERE id = %s",
                (closed[0], call["account"]),
            )
    return closed is not None


def sweep(conn: Connection, at: datetime) -> dict[str, str]:
    """Finish what a dead gateway left: settle if usage was recorded, release if not."""
    stale = conn.execute(
        """SELECT account, key, attempt FROM call
           WHERE state = 'reserved' AND lease_until < %s ORDER BY lease_until""",
        (at,),
    ).fetchall()
    done = {}
    for row in stale:
        call = dict(zip(("account", "key", "attempt"), row))
        try:
            if settle(conn, call):
                done[call["key"]] = "settled"
            elif release(conn, call, at):
                done[call["key"]] = "released"
        except Error as error:  # one bad row must not stop the others; alert
            done[call["key"]] = type(error).__name__
    return done
