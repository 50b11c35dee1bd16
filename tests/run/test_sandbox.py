"""The init process of a sandbox is forked in one step, or with threads in two."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os, threading, time
from qa.run.inside import sandbox

hold = threading.Event()
if {threads}:
    threading.Thread(target=hold.wait, daemon=True).start()
result, answer = os.pipe()
if sandbox.fork() == 0:
    sandbox.map_user()
    child = os.fork()
    if child == 0:
        os._exit(5)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.write(answer, f"{{os.getpid()}} {{child}} {{os.getuid()}} {{ended}}".encode())
    os._exit(0)
os.close(answer)
print(os.read(result, 100).decode())
"""


@pytest.mark.parametrize("threads", [False, True])
def test_the_init_process(threads: bool) -> None:
    program = PROGRAM.format(threads=threads)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["1", "2", "1000", "5"], done.stderr
