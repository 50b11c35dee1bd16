"""PostgreSQL, engine and gateway as processes of their own; clients and an observer."""

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import matplotlib.pyplot as plt
import psycopg
from local_postgres import start_postgres


class Stack:
    def __init__(self, accounts: list[str]) -> None:
        # The lab is for tests that do not go through the gateway.
        (self.url, self.lab_url), self.stop_postgres = start_postgres("billing", "lab")
        self.db = psycopg.connect(self.url, autocommit=True)
        self.lab = psycopg.connect(self.lab_url, autocommit=True)
        for connection in (self.db, self.lab):
            connection.execute(Path("schema.sql").read_text())
        Path("gateway.log").touch()
        self.processes: list[subprocess.Popen] = []
        self.engine_port = self.start("engine.py", "engine.jsonl")
        self.gateway_port = self.start(
            "gateway.py", self.url, str(self.engine_port), *accounts
        )

    def start(self, *command: str) -> int:
        self.processes.append(
            subprocess.Popen(
                [sys.executable, *command], stdout=subprocess.PIPE, text=True
            )
        )
        return int(self.processes[-1].stdout.readline())

    def call(
        self,
        account: str,
        key: str,
        prompt: str,
        max_tokens: int | None,
        natural_length: int,
        *,
        fail_at: int | None = None,
        hang_up_after: int | None = None,
        crash_at: str = "",
        crash_kind: str = "process",
        on_event: Callable[[], None] = lambda: None,
    ) -> tuple[int, dict]:
        """One HTTP call: (status, last event).

        Without "done" in the last event the stream was cut off.
        """
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.gateway_port, timeout=20
        )
        body = {
            "prompt": prompt,
            "max_tokens": max_tokens,
            "natural_length": natural_length,
            "fail_at": fail_at,
        }
        if hang_up_after:  # so slow that a busy gateway too sees in time who is gone
            body["seconds_per_token"] = 0.01
        headers = {
            "Authorization": f"Bearer sk-{account}",
            "Idempotency-Key": key,
            "X-Crash-At": crash_at,
            "X-Crash-Kind": crash_kind,
        }
        status, last = 0, {}
        try:
            connection.request("POST", "/v1/generate", json.dumps(body), headers)
            response = connection.getresponse()
            status = response.status
            for line in response:
                if line.startswith(b"data: "):
                    last = json.loads(line[6:])
                    on_event()
                    produced = last.get("usage", {}).get("output")
                    if hang_up_after and produced == hang_up_after:
                        break
        except (http.client.HTTPException, ConnectionError):
            pass  # the gateway died under us
        finally:
            connection.close()
        return status, last

    def past_the_gateway(self, request: str, prompt: str, length: int) -> None:
        """Ask the engine itself."""
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.engine_port, timeout=20
        )
        body = {
            "id": request,
            "prompt": prompt,
            "max_tokens": 2 * length,
            "natural_length": length,
        }
        connection.request("POST", "/", json.dumps(body))
        connection.getresponse().read()
        connection.close()

    def wallet(
        self, account: str, conn: psycopg.Connection | None = None
    ) -> tuple[int, int]:
        """(balance, held) in micro-dollars."""
        return (
            (conn or self.db)
            .execute("SELECT balance, held FROM account WHERE id = %s", (account,))
            .fetchone()
        )

    def charges(self, account: str) -> tuple[int, int]:
        """How many, and of how many keys."""
        return self.db.execute(
            """SELECT count(*), count(DISTINCT key) FROM ledger
               WHERE account = %s AND kind = 'charge'""",
            (account,),
        ).fetchone()

    def bill(self, account: str, key: str) -> dict[str, int | None]:
        """Hold, usage and charge of one call, as the database has them."""
        columns = ("hold", "input", "cached", "output", "charge")
        row = self.db.execute(
            """SELECT hold, input, cached, output, charge
               FROM call LEFT JOIN usage USING (account, key, attempt)
               WHERE account = %s AND key = %s""",
            (account, key),
        ).fetchone()
        return dict(zip(columns, row))

    def at_once(self, n: int, work: Callable[[psycopg.Connection, int], bool]) -> int:
        """Run work(connection to the lab, i) in n threads; how many said true."""

        def connect_and_work(i: int) -> bool:
            with psycopg.connect(self.lab_url, autocommit=True) as conn:
                return work(conn, i)

        with ThreadPoolExecutor(n) as pool:
            return sum(pool.map(connect_and_work, range(n)))

    def wait_until_closed(self, account: str) -> None:
        deadline = time.monotonic() + 15
        while self.wallet(account)[1] and time.monotonic() < deadline:
            time.sleep(0.002)

    def stop(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            process.wait(timeout=10)
            process.stdout.close()
        self.db.close()
        self.lab.close()
        self.stop_postgres()


class Watch:
    """Samples of one wallet, taken before, during and after each call."""

    def __init__(self, stack: Stack, account: str) -> None:
        self.stack, self.account = stack, account
        self.samples: list[tuple[int, int]] = []  # (balance, held)
        self.marks: dict[str, int] = {}  # where each call begins

    def __call__(self, times: int = 1) -> None:
        self.samples += [self.stack.wallet(self.account) for _ in range(times)]

    def call(self, key: str, *request: object, **options: object) -> None:
        self.marks[key] = len(self.samples)
        self()
        self.stack.call(self.account, key, *request, on_event=self, **options)
        if "crash_at" not in options:
            self.stack.wait_until_closed(self.account)
        self(15)

    def plot(self) -> None:
        balance = [b / 1000 for b, _ in self.samples]
        spendable = [(b - h) / 1000 for b, h in self.samples]
        steps = range(len(balance))
        _, ax = plt.subplots(figsize=(7, 3.5), layout="constrained")
        ax.step(steps, balance, where="post", label="balance (settled)")
        ax.step(steps, spendable, where="post", label="spendable = balance - held")
        ax.fill_between(
            steps, spendable, balance, step="post", alpha=0.25, label="held"
        )
        above = {"xytext": (0, 6), "textcoords": "offset points", "fontsize": 8}
        for number, (label, at) in enumerate(self.marks.items(), 1):
            ax.annotate(f"{number} {label}", (at, balance[at]), **above)
        ax.set(
            xlabel="observation (one per streamed token)", xlim=(-10, len(steps) + 45)
        )
        ax.set(ylabel="funds [thousandths of a dollar]", ylim=(50, 106))
        ax.legend(loc="lower left", fontsize=8)
        plt.show()
