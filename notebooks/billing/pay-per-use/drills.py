"""What is done to the stack: killed at a step, called by many at once, read before written."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import ledger
import psycopg
from harness import Stack
from language_model import Engine

TOMORROW = datetime.now(UTC) + timedelta(days=1)  # as if every lease had run out
PRICE, REPLY = ledger.cost(3, 0, 12), "".join(f"w{i} " for i in range(1, 13))


def crash(stack: Stack, step: str, kind: str) -> dict[str, object]:
    """Die at `step`, sweep, retry with the same key; money is checked after each."""
    key = f"{step}-{kind}"
    request = ("crash", key, "one two three", 40, 12)
    ledger.top_up(stack.db, "crash", PRICE + 1_000, key)
    before = stack.wallet("crash")[0]
    stack.call(*request, crash_at=step, crash_kind=kind)
    held = stack.wallet("crash")[1]
    swept = ledger.sweep(stack.db, TOMORROW).get(key, "nothing to do")
    assert stack.wallet("crash")[1] == 0  # no hold is left behind
    retry = stack.call(*request)[1]
    assert retry["charge"] == PRICE and retry.get("reply", REPLY) == REPLY
    assert stack.wallet("crash") == (before - PRICE, 0)  # charged, and charged once
    replayed = "replayed" if "replayed" in retry else "ran"
    return {"dies at": step, "held [u$]": held, "sweep": swept, "retry": replayed}


def insist(stack: Stack, key: str, crash_at: str, seen: Counter[str]) -> None:
    """Send until there is an answer; only the first time is there a point of death."""
    deadline, last = time.monotonic() + 20, {}
    while "done" not in last and time.monotonic() < deadline:
        status, last = stack.call(
            "load", key, f"{key} please", 20, 8, crash_at=crash_at
        )
        cut = status in (0, 200) and "done" not in last
        outcome = "replayed" if "replayed" in last else str(status)
        seen["cut off" if cut else outcome] += 1
        crash_at = ""
        time.sleep(0.03)
    assert last["charge"] == ledger.cost(2, 0, 8)


def storm(stack: Stack, keys: int, steps: list[str]) -> tuple[Counter[str], int]:
    """Each key twice at once; one of the two may be killed. Answers, least spendable."""
    chance, seen, least = random.Random(7), Counter(), 10**9
    with ThreadPoolExecutor(16) as pool:
        clients = []
        for i in range(keys):
            for crash_at in (chance.choice(steps + [""] * len(steps)), ""):
                clients.append(pool.submit(insist, stack, f"load-{i}", crash_at, seen))
        while not all(client.done() for client in clients):
            balance, held = stack.wallet("load")
            least = min(least, balance - held)
            ledger.sweep(stack.db, datetime.now(UTC))
            time.sleep(0.05)
    [client.result() for client in clients]  # raises what a client raised
    return seen, least


def race(stack: Stack, callers: int, hold: int) -> tuple[int, int, int]:
    """How many pass a balance read first, what it leaves; how many pass one statement."""
    stack.lab.execute(
        "CREATE TABLE unguarded AS SELECT balance FROM account WHERE id = 'race'"
    )
    barrier = threading.Barrier(callers, timeout=30)

    def read_check_write(conn: psycopg.Connection, caller: int) -> bool:
        (funds,) = conn.execute("SELECT balance FROM unguarded").fetchone()
        barrier.wait()  # everyone has read before anyone writes
        if funds >= hold:
            conn.execute("UPDATE unguarded SET balance = balance - %s", (hold,))
        return funds >= hold

    def one_statement(conn: psycopg.Connection, caller: int) -> bool:
        barrier.wait()
        try:
            ledger.reserve(conn, "race", f"key-{caller}", "same", hold)
        except ledger.InsufficientFunds:
            return False
        return True

    naive = stack.at_once(callers, read_check_write)
    (left,) = stack.lab.execute("SELECT balance FROM unguarded").fetchone()
    return naive, left, stack.at_once(callers, one_statement)


def refused_by(change: Callable[[], object]) -> str | None:
    """The constraint for which PostgreSQL refuses a change."""
    try:
        change()
    except psycopg.IntegrityError as error:
        return error.diag.constraint_name
    return None


def count_prompt(engine: Engine, messages: list[dict]) -> int:
    """Tokens of the messages as the engine will see them, in its chat template."""
    path = "/v1/chat/completions/input_tokens"
    with engine.post(path, {"messages": messages}) as answer:
        return json.load(answer)["input_tokens"]


def answers(
    engine: Engine, messages: list[dict], n: int, tokens: int
) -> list[dict[str, int]]:
    """Stream `n` answers to one prompt; each usage block that the engine sends."""
    body = {"messages": messages, "n": n, "max_tokens": tokens, "seed": 1}
    body |= {"ignore_eos": True, "stream": True}
    body |= {"stream_options": {"include_usage": True}}
    said = []
    with engine.post("/v1/chat/completions", body) as stream:
        for line in stream:
            chunk = json.loads(line[6:]) if line.startswith(b"data: {") else {}
            if usage := chunk.get("usage"):
                cached = usage["prompt_tokens_details"]["cached_tokens"]
                counts = usage["prompt_tokens"], cached, usage["completion_tokens"]
                said.append(dict(zip(("input", "cached", "output"), counts)))
    return said
