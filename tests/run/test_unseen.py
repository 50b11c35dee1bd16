"""What Jupyter would show and go on from fails the run, at the author's own line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.failures import Failures
from tests.run.conftest import Runner

FAIL = "def fail(*_):\n    raise ValueError('lost')\n"


def failures(cells: Runner, *sources: str) -> list[tuple[int, str]]:
    """Line and reason of all; the first source begins on line 2."""
    with pytest.raises(Failures) as caught:
        cells(*sources)
    return [(fault.line, fault.reason.partition(": ")[2]) for fault in caught.value.failures]


@pytest.mark.parametrize(
    ("code", "line", "reason"),
    [
        ("%%capture\nx = 1\nassert x == 2", 4, "AssertionError: assert x == 2"),
        ("\n\n%%capture out\n%%time\nx = 1\nassert x == 2", 7, "AssertionError: assert x == 2"),
        ("%%time\nx = 1\n\nassert x == 2", 5, "AssertionError: assert x == 2"),
        ("%%time --no-raise-error\nx", 2, "UsageError: --no-raise-error: a failure would not"),
        ("%%timeit -n1 -r1\nx = 1\nassert x == 2", 4, "AssertionError: assert x == 2"),
        ("x = 1\n%time x.y", 3, "AttributeError: 'int' object has no attribute 'y'"),
        ("get_ipython().run_cell('1 / 0')", 2, "ZeroDivisionError: division by zero"),
        ("get_ipython().run_cell('1 /')", 2, "SyntaxError: invalid syntax"),
        ("%%writefile m.py\n1 / 0\n", 5, "ZeroDivisionError: division by zero"),
        ("%%script bash\ntrue\nfalse\ntrue", 4, "failed command: exit status 1: false"),
        ("%%script /bin/sh\nfalse\ntrue", 3, "failed command: exit status 1: false"),
        ("%%sh\nfalse | true\ntrue", 3, "failed command: exit status 1: false | true"),
        ("%%bash\nf() {\n  false\n}\nf\ntrue", 4, "failed command: exit status 1: false"),
        ("%%bash\necho $unset", 2, "failed command: exit status 1: bash"),
        ("%%bash --bg\nfalse", 2, "UsageError: --bg: a failure would not be seen"),
        ("%%bash --no-raise-error\nfalse", 2, "UsageError: --no-raise-error: a failure"),
        ("%%script no-program\nx", 2, "FileNotFoundError: there is no program no-program"),
        ("!echo a \\\n  b\n!false", 4, "failed command: exit status 1: false"),
        ("x = !false", 2, "failed command: exit status 1: false"),
        ("%no_magic", 2, "UsageError: Line magic function `%no_magic` not found."),
    ],
)
def test_magics(cells: Runner, code: str, line: int, reason: str) -> None:
    rest = ["%run m.py"] if "m.py" in code else []
    (found,) = failures(cells, code, *rest)
    assert found[0] == (line if not rest else 7)
    assert found[1].startswith(reason)


@pytest.mark.parametrize(
    ("code", "line", "reason"),
    [
        (
            "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()\n"
            "_ = pool.submit(fail)",
            3,
            "failed future whose result nobody asks for: ValueError: lost",
        ),
        (
            "from concurrent.futures import ProcessPoolExecutor\n"
            "with ProcessPoolExecutor(1) as pool:\n    pool.map(fail, [1])",
            3,
            "failed future whose result nobody asks for: ValueError: lost",
        ),
        (
            "from multiprocessing import Pool\nwith Pool(1) as pool:\n"
            "    pool.map_async(fail, [1]).wait()",
            6,
            "failed task of a pool whose result nobody asks for: ValueError: lost",
        ),
        (
            "from multiprocessing import Process\nchild = Process(target=fail)\nchild.start()\n"
            "child.join()",
            3,
            "exception in a child process: ValueError: lost",
        ),
        (
            "import os\nif not (child := os.fork()):\n    fail()\n_ = os.waitpid(child, 0)",
            3,
            "exception in a child process: ValueError: lost",
        ),
        (
            "import atexit\n_ = atexit.register(fail)",
            3,
            "exception that nobody can catch, in fail: ValueError: lost",
        ),
        (
            "import threading\nthreading.Timer(0.1, fail).start()",
            3,
            "exception in a thread: ValueError: lost",
        ),
        (
            "import threading, time\ndef later():\n    time.sleep(9)\n"
            "threading.Thread(target=later, daemon=True).start()",
            6,
            "left behind: thread Thread-1 (later)",
        ),
        (
            "import asyncio\nasync def wait():\n    await asyncio.sleep(9)\n"
            "task = asyncio.create_task(wait())",
            6,
            "left behind: task wait, which has not ended",
        ),
        (
            "import asyncio\nasync def wait():\n    fail()\ntask = asyncio.create_task(wait())",
            3,
            "asyncio: Task exception was never retrieved: ValueError: lost",
        ),
        (
            "import logging\nlogging.basicConfig()\nlogging.error('%d', 'x')",
            6,
            "message that cannot be logged: TypeError: %d format",
        ),
        (
            "import socket, socketserver\n"
            "class Handler(socketserver.BaseRequestHandler):\n    handle = fail\n"
            "with socketserver.TCPServer(('127.0.0.1', 0), Handler) as server:\n"
            "    with socket.create_connection(server.server_address):\n"
            "        server.handle_request()",
            3,
            "exception in a server's handler: ValueError: lost",
        ),
    ],
)
def test_what_nobody_asks_for(cells: Runner, code: str, line: int, reason: str) -> None:
    (found,) = failures(cells, FAIL + code)
    assert found[0] == line
    assert found[1].startswith(reason)


def test_what_was_asked_for_is_no_fault(cells: Runner) -> None:
    code = """
import asyncio, logging, os, threading, time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import Pool, Process

with ThreadPoolExecutor() as threads:
    slow = threads.submit(lambda: time.sleep(0.1) or fail())
    asked = type(slow.exception()).__name__
    quick = threads.submit(fail)
    try:
        quick.result()
    except ValueError as error:
        caught = str(error)
with Pool(1) as pool:
    task = pool.apply_async(fail)
    try:
        task.get()
    except ValueError:
        tasks = 1
    pool.apply_async(fail, error_callback=print).wait()
child = Process(target=os._exit, args=[3])
child.start()
child.join()
status = child.exitcode
waiting = asyncio.create_task(asyncio.sleep(9))
waiting.cancel()
soon = asyncio.create_task(asyncio.sleep(0.01))
threading.Thread(target=time.sleep, args=[0.1], daemon=True).start()
"""
    values = cells(FAIL + code).values
    assert values == {"asked": "ValueError", "caught": "lost", "tasks": 1, "status": 3}


def test_asserts_of_child_processes_count(cells: Runner) -> None:
    code = """
from multiprocessing import Pool
def check(n):
    assert n < 3
    return n
with Pool(2) as pool:
    total = sum(pool.map(check, range(3)))
"""
    assert cells(code).values == {"total": 3}


@pytest.mark.parametrize(
    "comment",
    [
        "!touch made",
        "%matplotlib",
        "time is money",
        "cd into",
        "ls all",
        "%%bash",
        "? what",
        "mv a b",
    ],
)
def test_comments_stay_comments(cells: Runner, tmp_path: Path, comment: str) -> None:
    cells(f"# {comment}\n#{comment}\nimport os\nassert os.listdir() == []")


def test_an_error_below_what_ends_no_line(cells: Runner) -> None:
    code = "a = 'x'  # \f \x85 \u2028 \u2029\n\f\nb = 1\nassert b == 2"
    assert failures(cells, code) == [(5, "AssertionError: assert b == 2")]
