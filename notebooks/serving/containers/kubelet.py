"""Starts, probes and deletes a pod as the kubelet does; tokens of an answer are the clock."""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import httpx
from rules import drain_s, prestop_s

# Certificates are not read: that takes longer than a request.
PLAIN = {"trust_env": False, "verify": False, "timeout": 60}


class Pod:
    """The manifest's container, with server.py in vLLM's place."""

    def __init__(self, spec: dict, default_grace: int):
        with socket.socket() as finder:
            finder.bind(("127.0.0.1", 0))
            port = finder.getsockname()[1]
        (vllm,) = spec["containers"]
        self.url = f"http://127.0.0.1:{port}"
        self.prestop, self.drain = prestop_s(vllm), drain_s(vllm)
        self.grace = spec.get("terminationGracePeriodSeconds", default_grace)
        options = [f"--port={port}", f"--shutdown-timeout={self.drain}"]
        self.process = subprocess.Popen(
            [sys.executable, "server.py", *options], stderr=subprocess.DEVNULL
        )

    def get(self, path: str) -> int | str:
        """A new connection each time, as a probe or a new client makes it."""
        try:
            return httpx.get(self.url + path, **PLAIN).status_code
        except httpx.ConnectError:
            return "refused"

    def wait_until_ready(self) -> None:
        wait(lambda: self.get("/health") == 200)

    def delete(self, stream: "Stream", tokens_per_s: float) -> dict:
        """preStop, SIGTERM, and SIGKILL at the end of the grace period."""
        deleted_at = stream.tokens

        def passed(seconds: int) -> bool:
            return (stream.tokens - deleted_at) / tokens_per_s >= seconds

        during = Stream(self.url, 1).end()  # a new request
        wait(lambda: passed(self.prestop))
        self.process.terminate()
        if self.drain:  # a new request is turned away while the old one goes on
            wait(lambda: Stream(self.url, 1).end() == "abort" or stream.over)
        turned_away = self.drain > 0 and not stream.over
        wait(lambda: self.process.poll() is not None or passed(self.grace))
        killed = self.process.poll() is None
        self.process.kill()
        self.process.wait()
        stream.thread.join()
        return {
            "during preStop": during,
            "turned away": turned_away,
            "killed": killed,
            "tokens": stream.tokens,
            "finish_reason": stream.reason or "missing",
            "[DONE]": stream.done,
        }


class Stream:
    """One answer, streamed: its tokens so far, why it ended, and whether [DONE] came."""

    def __init__(self, url: str, tokens: int):
        self.tokens, self.over, self.done = 0, False, False
        self.reason: str | None = None
        whole = f"{url}/v1/completions"
        self.thread = threading.Thread(target=self._read, args=(whole, tokens))
        self.thread.start()

    def wait_for(self, tokens: int) -> None:
        wait(lambda: self.tokens >= tokens)

    def end(self) -> str | None:
        self.thread.join()
        return self.reason

    def _read(self, url: str, tokens: int) -> None:
        body = {"prompt": "Once upon a time", "max_tokens": tokens, "stream": True}
        body |= {"ignore_eos": True}
        try:
            with httpx.stream("POST", url, json=body, **PLAIN) as answer:
                for line in answer.iter_lines():
                    if line == "data: [DONE]":
                        self.done = True
                    elif line.startswith("data: "):
                        (choice,) = json.loads(line[6:])["choices"]
                        self.reason = choice["finish_reason"]
                        self.tokens += self.reason is None
        except httpx.TransportError:
            pass  # the connection broke off: what the caller of a killed server sees
        self.over = True


def wait(condition: Callable[[], bool], limit_s: float = 30) -> None:
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("gave up waiting")
        time.sleep(0.005)
