"""A stand-in for an inference engine: streams and counts invented tokens.

As in vLLM, each chunk carries the usage so far, a prefix is cached in whole blocks, and a
hang-up aborts without a final count. Its log has a line a request. Run as: engine.py
LOGFILE; prints its port.
"""

import json
import select
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BLOCK = 16  # only whole blocks of a known prefix count as cached
SECONDS_PER_TOKEN = 0.001  # unless the request says otherwise
seen_prefixes: set[tuple[str, ...]] = set()


class Engine(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = request["prompt"].split()
        prefixes = [tuple(words[:end]) for end in range(BLOCK, len(words) + 1, BLOCK)]
        cached = BLOCK * sum(prefix in seen_prefixes for prefix in prefixes)
        seen_prefixes.update(prefixes)
        usage = {"input": len(words), "cached": cached, "output": 0}
        limit = (
            request["max_tokens"] or 1_000_000
        )  # without one, to the end of the context
        length, finish = min(request["natural_length"], limit), "error"
        pause = request.get("seconds_per_token", SECONDS_PER_TOKEN)
        self.send_response(200)
        self.end_headers()
        try:
            while usage["output"] < length:
                hung_up, _, _ = select.select([self.connection], [], [], pause)
                if usage["output"] == request.get("fail_at"):
                    raise MemoryError("planted engine fault")
                usage["output"] += 1
                if hung_up:  # too late for the token under way: made, not delivered
                    raise ConnectionAbortedError
                self.emit({"token": f"w{usage['output']} ", "usage": usage})
            finish = "stop" if length < limit else "length"
            self.emit({"finish": finish, "usage": usage})
        except ConnectionError:
            finish = "aborted"
        except MemoryError:
            pass
        finally:
            entry = {"request": request["id"], **usage, "finish": finish}
            log.write(json.dumps(entry) + "\n")

    def emit(self, event: dict) -> None:
        self.wfile.write(json.dumps(event).encode() + b"\n")

    def log_message(self, *args: object) -> None:
        pass


log = open(sys.argv[1], "a", buffering=1)
server = ThreadingHTTPServer(("127.0.0.1", 0), Engine)
print(server.server_port, flush=True)
server.serve_forever()
