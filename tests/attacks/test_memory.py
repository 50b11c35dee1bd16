"""Memory that lies in no process, or hides there: it counts, or cannot be had."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from qa.run.local import LocalServer
from qa.run.protocol import Limits
from tests.attacks.attack import Attack

SEGMENTS = """
import ctypes, time
libc = ctypes.CDLL(None)
libc.shmat.restype = ctypes.c_void_p
for _ in range(6):
    segment = libc.shmget(0, ctypes.c_size_t(64 << 20), 0o1600)
    place = libc.shmat(segment, None, 0)
    ctypes.memset(place, 1, 64 << 20)
    libc.shmdt(ctypes.c_void_p(place))
time.sleep(5)
"""
FILES_AND_HEAP = """
import time
with open('/dev/shm/a', 'wb') as file:
    for _ in range(160):
        file.write(bytes(1 << 20))
heap = b'x' * (160 << 20)
time.sleep(5)
"""
UNMAPPED = """
import mmap, time
kept = []
for _ in range(32):
    block = mmap.mmap(-1, 64 << 20)
    for page in range(0, 64 << 20, 4096):
        block[page] = 1
    block.madvise(mmap.MADV_DONTNEED)  # out of the process, and still in memory
    kept.append(block)
time.sleep(5)
"""
PAGE_TABLES = """
import ctypes, mmap, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
length = 1 << 38
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
place = libc.mmap(None, ctypes.c_size_t(length), mmap.PROT_READ, flags, -1, ctypes.c_long(0))
libc.madvise(ctypes.c_void_p(place), ctypes.c_size_t(length), 15)  # MADV_NOHUGEPAGE
for at in range(place, place + length, 2 << 20):
    ctypes.c_char.from_address(at).value
time.sleep(5)
"""
TRADED = """
import ctypes, mmap, os, time
block = mmap.mmap(-1, 60 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(0, 60 << 20, 4096):
    block[page] = 1
for _ in range(12):
    if os.fork() == 0:
        time.sleep(1)  # twelve that share look as large as twelve that do not
        block.close()
        time.sleep(0.2)
        own = b'x' * (50 << 20)
        time.sleep(6)
        os._exit(0)
time.sleep(7)
"""


MAPPINGS = """
import ctypes, mmap, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000  # MAP_NORESERVE
length = ctypes.c_size_t(60_000 * 8192)
place = libc.mmap(None, length, mmap.PROT_READ, flags, -1, ctypes.c_long(0))
for page in range(60_000):
    libc.mprotect(ctypes.c_void_p(place + 8192 * page), ctypes.c_size_t(4096), 0)
for _ in range(150):
    if os.fork() == 0:
        time.sleep(60)
        os._exit(0)
time.sleep(5)
"""


@pytest.fixture(scope="module")
def server_of_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """Its runs have one processor: as many are at once, and all may have files in memory."""
    processors = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(processors)})
    server = LocalServer(tmp_path_factory.mktemp("cache"))
    assert server.isolation_problem() == ""  # it starts when it is first asked
    os.sched_setaffinity(0, processors)
    yield server
    server.close()


@pytest.fixture
def scarce(server_of_one: LocalServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Attack:
    """Runs that may take 256 MiB, so that little is needed to show what counts."""

    def limits(budget: float) -> Limits:
        return Limits(2 * budget, 4 * budget, memory=256 << 20)

    monkeypatch.setattr("qa.run.report.limits_of", limits)
    return Attack(server_of_one, tmp_path)


@pytest.mark.parametrize(
    "code",
    [SEGMENTS, FILES_AND_HEAP, PAGE_TABLES, TRADED],
    ids=["segments", "files-and-heap", "page-tables", "traded"],
)
def test_memory_beside_the_heap_counts(scarce: Attack, code: str) -> None:
    (failure,) = scarce.failures(code, seconds=20)
    assert failure.endswith("memory limit: more than 256 MiB")


@pytest.mark.alone
@pytest.mark.parametrize("code", [UNMAPPED, MAPPINGS], ids=["unmapped", "mappings"])
def test_memory_of_no_process_is_noticed(scarce: Attack, code: str) -> None:
    (failure,) = scarce.failures(code, seconds=20)
    assert "memory limit: what no process owns grew by 1280 MiB" in failure


def test_files_in_memory_are_in_the_peak(attack: Attack) -> None:
    code = "open('/tmp/a', 'wb').write(bytes(300 << 20))\nopen('/dev/shm/b', 'wb').write(b'x')"
    assert attack.run(code).peak_memory_bytes > 300 << 20


def test_empty_files_are_limited_and_count(attack: Attack) -> None:
    code = """
        for number in range(500_000):
            open(str(number), 'x').close()
        """
    (failure,) = attack.failures(code)
    assert "disk limit: OSError: [Errno 28]" in failure


def test_two_folders_share_one_limit(attack: Attack) -> None:
    code = """
        for name in ('/tmp/a', '/dev/shm/b'):
            with open(name, 'wb') as file:
                for _ in range(600):
                    file.write(bytes(1 << 20))
        """
    (failure,) = attack.failures(code)
    assert "disk limit: OSError: [Errno 28]" in failure


def test_what_the_supervisor_s_files_hold_counts(attack: Attack) -> None:
    code = """
        import os
        for number in range(3, 64):
            try:
                if os.readlink(f'/proc/self/fd/{number}').startswith('/memfd:stack'):
                    for _ in range(300):
                        os.write(number, bytes(1 << 20))
            except OSError:
                pass
        """
    assert attack.run(code).peak_memory_bytes > 300 << 20


def test_sockets_are_counted(attack: Attack) -> None:
    code = """
        import os, socket, time
        for _ in range(4):
            if os.fork() == 0:
                kept = [socket.socketpair() for _ in range(450)]
                time.sleep(5)
                os._exit(0)
        time.sleep(5)
        """
    (failure,) = attack.failures(code)
    assert "socket limit: more than 2048 at once" in failure


def test_a_socket_holds_little(attack: Attack) -> None:
    code = """
        import socket
        one, other = socket.socketpair()
        server = socket.create_server(('127.0.0.1', 0))
        for sender in (one, socket.create_connection(server.getsockname())):
            sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 << 20)
            sender.setblocking(False)
            sent = 0
            try:
                while True:
                    sent += sender.send(bytes(1 << 14))
            except BlockingIOError:
                assert sent < 1 << 20, sent
        """
    attack.run(code)
