"""The language model's engine in a process of its own: to be killed, frozen and started again."""

import atexit
import json
import signal
import subprocess
import sys
from typing import Any

from language_model import Engine, metrics_at  # type: ignore[import-not-found]


class EngineProcess:
    """An Engine, with its settings, at `address`. It ends with `stop`, at the end of a `with`, or
    with the process that started it, whatever ended that. Raises RuntimeError if it does not
    start; what the engine said stands above."""

    def __init__(self, **settings: Any):
        command = [sys.executable, __file__, json.dumps(settings)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, **pipes)
        self.address = self.process.stdout.readline().strip()  # type: ignore[union-attr]
        if not self.address:
            raise RuntimeError(f"the engine ended with status {self.process.wait()}")
        atexit.register(self.stop)

    def kill(self) -> None:
        """SIGKILL: connections break off, nothing is said."""
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        """SIGSTOP: connections stay open and nothing more comes, as of a hung device."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on after `freeze`."""
        self.process.send_signal(signal.SIGCONT)

    def metrics(self) -> dict[str, float]:
        """What it counts, as `metrics_at` its address."""
        counts: dict[str, float] = metrics_at(self.address)
        return counts

    def stop(self) -> None:
        """End it, running or frozen, with nothing left behind."""
        atexit.unregister(self.stop)
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()  # type: ignore[union-attr]

    def __enter__(self) -> "EngineProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


if __name__ == "__main__":
    with Engine(**json.loads(sys.argv[1])) as engine:
        print(engine.address, flush=True)
        sys.stdin.read()  # until who started it has ended
