"""One process a request, so that a crash can be the death of exactly one call.

Run as: gateway.py DATABASE_URL ENGINE_PORT ACCOUNT...; prints its port. `X-Crash-At` is
the test's switch: at that step the process kills itself with SIGKILL, or has its
database connection cut.
"""

import hashlib
import http.client
import json
import os
import select
import signal
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from socketserver import ForkingMixIn

import ledger
import psycopg

DATABASE, ENGINE_PORT = sys.argv[1], int(sys.argv[2])
API_KEYS = {
    hashlib.sha256(f"sk-{name}".encode()).hexdigest(): name for name in sys.argv[3:]
}


class Gateway(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        account = API_KEYS.get(hashlib.sha256(token.encode()).hexdigest())
        key = self.headers["Idempotency-Key"]
        if account is None:
            return self.answer(401, {"error": "unknown API key"})
        with psycopg.connect(DATABASE, autocommit=True) as self.db:
            self.step("authorised")
            request = json.loads(body)
            # What is held must be what the engine is told.
            request["max_tokens"] = request["max_tokens"] or ledger.DEFAULT_MAX_TOKENS
            hold = ledger.ceiling(len(request["prompt"].split()), request["max_tokens"])
            fingerprint = hashlib.sha256(body).hexdigest()
            try:
                state, attempt = ledger.reserve(
                    self.db, account, key, fingerprint, hold, self.step
                )
            except ledger.InsufficientFunds:
                return self.answer(402, {"error": "insufficient funds", "needed": hold})
            call = {"account": account, "key": key, "attempt": attempt}
            if state == "settled":
                return self.replay(call)
            if state != "reserved":
                status = 422 if state == "mismatch" else 409
                return self.answer(status, {"error": state})
            self.step("reserved")
            usage, finish, reply = self.generate(call, request)
            self.step("executed")
            if finish == "error":  # our fault, so the customer pays nothing
                ledger.release(self.db, call)
                return self.event({"error": "engine failed, nothing charged"})
            if ledger.record(self.db, call, **usage, finish=finish, reply=reply):
                self.step("metered")
                ledger.settle(self.db, call, self.step)
                self.step("settled")
                charge = min(ledger.cost(**usage), hold)  # as settled
                self.event({"done": finish, "usage": usage, "charge": charge})

    def generate(self, call: dict, request: dict) -> tuple[dict, str, str]:
        """Pass the engine's stream on; if the client goes away, hang up on the engine."""
        engine = http.client.HTTPConnection("127.0.0.1", ENGINE_PORT)
        body = request | {"id": "/".join(map(str, call.values()))}
        engine.request("POST", "/generate", json.dumps(body))
        lines = engine.getresponse()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        reply, last = [], {"usage": {}}
        for line in lines:
            last = json.loads(line)
            if "token" in last:
                reply.append(last["token"])
                if self.client_gone() or not self.event(last):
                    last["finish"] = "hung up"
                    break  # no final count comes: charge what the last chunk says
                if last["usage"]["output"] == 5:
                    self.step("streaming")
        lines.close()
        engine.close()  # by this the engine knows that it should stop
        return last["usage"], last.get("finish", "error"), "".join(reply)

    def client_gone(self) -> bool:
        readable, _, _ = select.select([self.connection], [], [], 0)
        return bool(readable)  # readable after the body: it was closed

    def replay(self, call: dict) -> None:
        input, cached, output, finish, reply, charge = self.db.execute(
            """SELECT input, cached, output, finish, reply, charge
               FROM usage JOIN call USING (account, key, attempt)
               WHERE account = %(account)s AND key = %(key)s AND state = 'settled'""",
            call,
        ).fetchone()
        self.answer(
            200,
            {
                "done": finish,
                "usage": {"input": input, "cached": cached, "output": output},
                "charge": charge,
                "replayed": True,
                "reply": reply,
            },
        )

    def answer(self, status: int, body: dict) -> None:
        self.send_response(status)
        self.end_headers()
        self.event(body)

    def event(self, data: dict) -> bool:
        try:
            self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
            return True
        except ConnectionError:
            return False

    def step(self, name: str) -> None:
        if self.headers["X-Crash-At"] == name:
            if self.headers["X-Crash-Kind"] == "process":
                os.kill(os.getpid(), signal.SIGKILL)
            with psycopg.connect(DATABASE, autocommit=True) as other:
                other.execute(
                    "SELECT pg_terminate_backend(%s, 5000)", (self.db.info.backend_pid,)
                )

    def log_message(self, *args: object) -> None:
        pass


class ForkingServer(ForkingMixIn, HTTPServer):
    max_children, request_queue_size = 64, 128

    def handle_error(self, request: object, client_address: object) -> None:
        """A failed request leaves its hold to the sweeper."""
        with open("gateway.log", "a") as log:
            log.write(f"{type(sys.exception()).__name__}\n")


server = ForkingServer(("127.0.0.1", 0), Gateway)
print(server.server_port, flush=True)
server.serve_forever()
