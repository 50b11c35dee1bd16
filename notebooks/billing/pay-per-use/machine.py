"""Hypothesis drives the real ledger in any order, beside a model of a few lines."""

import itertools

import ledger
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from psycopg import Connection, IntegrityError

INPUT = 10  # prompt tokens of every call
keys, lengths = st.sampled_from("abc"), st.integers(1, 50)
# Mostly the same request for a key; now and then another one.
limits = st.sampled_from([30, 30, 30, 40])
# 1: a gateway that was declared dead comes back with its old attempt.
lateness = st.sampled_from([0, 0, 0, 1])
some_calls = precondition(lambda self: self.calls)


class Machine(RuleBasedStateMachine):
    conn: Connection
    serial = itertools.count()
    steps = settled = 0

    def __init__(self) -> None:
        super().__init__()
        self.account = f"m{next(self.serial)}"
        self.calls: dict[str, dict] = {}
        self.credits: dict[str, int] = {}
        self.charges: dict[str, int] = {}
        self.top_up("first", 1_000)

    @rule(
        reference=st.sampled_from(["first", "second", "third"]),
        amount=st.integers(1, 1_000),
    )
    def top_up(self, reference: str, amount: int) -> None:
        # A payment confirmed twice is credited once.
        ledger.top_up(self.conn, self.account, amount, reference)
        self.credits.setdefault(reference, amount)

    @rule(key=keys, max_tokens=limits)
    def reserve(self, key: str, max_tokens: int) -> None:
        old, hold = self.calls.get(key), ledger.ceiling(INPUT, max_tokens)
        same = old is not None and old["max_tokens"] == max_tokens
        free = old is None or (old["state"] == "released" and same)
        try:
            got = ledger.reserve(self.conn, self.account, key, str(max_tokens), hold)[0]
        except ledger.InsufficientFunds:
            assert free and hold > self.balance() - self.held()
            return
        if free:
            assert got == "reserved" and hold <= self.balance() - self.held()
            self.calls[key] = {
                "state": "reserved",
                "attempt": old["attempt"] + 1 if old else 1,
                "max_tokens": max_tokens,
                "hold": hold,
                "used": None,
            }
        elif not same:
            assert got == "mismatch"
        else:
            assert got == {"reserved": "busy", "settled": "settled"}[old["state"]]

    @some_calls
    @rule(data=st.data(), output=lengths, late=lateness)
    def record(self, data: st.DataObject, output: int, late: int) -> None:
        key, call = self.pick(data)
        if call["used"] is None:
            used = (INPUT, 0, output)  # may exceed the hold
            ours = ledger.record(self.conn, self.identity(key, late), *used, "stop", "")
            assert ours == (call["state"] == "reserved" and not late)
            if ours:
                call["used"] = used

    @some_calls
    @rule(data=st.data(), late=lateness)
    def settle(self, data: st.DataObject, late: int) -> None:
        key, call = self.pick(data)
        due = call["state"] == "reserved" and call["used"] is not None and not late
        assert ledger.settle(self.conn, self.identity(key, late)) == due
        if due:
            self.close(key)

    @some_calls
    @rule(data=st.data(), late=lateness)
    def engine_fails(self, data: st.DataObject, late: int) -> None:
        key, call = self.pick(data)
        if call["used"] is None:
            due = call["state"] == "reserved" and not late
            assert ledger.release(self.conn, self.identity(key, late)) == due
            if due:
                call["state"] = "released"

    @some_calls
    @rule(data=st.data(), output=lengths)
    def sweeper_is_overtaken(self, data: st.DataObject, output: int) -> None:
        """The lease is over and no usage found; before the release, some is recorded."""
        key, call = self.pick(data)
        if call["state"] != "reserved" or call["used"] is not None:
            return
        identity = self.identity(key, 0)
        (over,) = self.conn.execute(
            """SELECT lease_until + interval '1 us' FROM call
               WHERE account = %(account)s AND key = %(key)s""",
            identity,
        ).fetchone()
        assert not ledger.settle(self.conn, identity)
        call["used"] = (INPUT, 0, output)
        assert ledger.record(self.conn, identity, *call["used"], "stop", "")
        # Recording has renewed the lease, so what was delivered is not given away.
        assert not ledger.release(self.conn, identity, over)

    @rule()
    def everyone_dies_and_leases_run_out(self) -> None:
        left = self.conn.execute(
            "SELECT max(lease_until) + interval '1 s' FROM call WHERE account = %s",
            (self.account,),
        ).fetchone()[0]
        if left:
            ledger.sweep(self.conn, left)
            for key, call in self.calls.items():
                if call["state"] == "reserved":
                    self.close(key) if call["used"] else call.update(state="released")

    @invariant()
    def ledger_equals_model(self) -> None:
        type(self).steps += 1
        row = self.conn.execute(
            """SELECT balance, held,
                      (SELECT sum(amount) FROM ledger WHERE ledger.account = account.id)
               FROM account WHERE id = %s""",
            (self.account,),
        ).fetchone()
        assert row == (self.balance(), self.held(), self.balance())
        assert 0 <= self.held() <= self.balance()

    def pick(self, data: st.DataObject) -> tuple[str, dict]:
        key = data.draw(st.sampled_from(sorted(self.calls)))
        return key, self.calls[key]

    def close(self, key: str) -> None:
        call = self.calls[key]
        call["state"] = "settled"
        self.charges[key] = min(ledger.cost(*call["used"]), call["hold"])
        type(self).settled += 1

    def identity(self, key: str, late: int) -> dict:
        attempt = self.calls[key]["attempt"] - late
        return {"account": self.account, "key": key, "attempt": attempt}

    def balance(self) -> int:
        return sum(self.credits.values()) - sum(self.charges.values())

    def held(self) -> int:
        still = (c for c in self.calls.values() if c["state"] == "reserved")
        return sum(call["hold"] for call in still)


# The same examples on each run; a failure is not made smaller, which takes longer.
QUICK = settings(
    max_examples=40,
    stateful_step_count=30,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def check() -> None:
    run_state_machine_as_test(Machine, settings=QUICK)


def fails_without(guard: str) -> str:
    """Plant a bug, OPEN without one of its conditions; the error or constraint that shows it."""
    whole, ledger.OPEN = ledger.OPEN, ledger.OPEN.replace(guard, "")
    assert ledger.OPEN != whole
    try:
        check()
    except IntegrityError as error:
        return error.diag.constraint_name
    except AssertionError as error:
        return type(error).__name__
    finally:
        ledger.OPEN = whole
    return ""
