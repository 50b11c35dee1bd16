"""How much memory a run takes: in its processes, and in what they leave outside themselves."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

FILE = 2048
"""Bytes that the kernel needs for a file, an empty one too."""
HELD = (b"RssAnon", b"RssFile", b"RssShmem", b"VmSwap", b"VmPTE")
SHARE = (b"Pss", b"SwapPss")
OF_NO_PROCESS = (b"Shmem", b"SUnreclaim", b"KernelStack", b"PageTables")
RESAMPLE = 1.1
"""What is shared is measured anew when the processes have grown by this factor."""
SHARE_OF_TIME = 0.05
"""What measuring it at other times may take of a processor."""


class Memory:
    """Bytes that a run added since this was made.

    `files` are descriptors of files in memory to which it writes. What else lies in its namespaces
    counts too if it is isolated: files, and segments of System V.
    """

    def __init__(self, first: int, files: Sequence[int], isolated: bool):
        self.first = first
        self.files = files
        self.isolated = isolated
        self.peak = 0
        self._before = _of_process(first) + self._outside()
        self._machine_before = _of_machine()
        self._sampled = 0
        self._next_sample = 0.0

    def measure(self, others: Iterable[int]) -> int:
        """The most so far; pages that several processes share count once.

        To measure what is shared takes milliseconds, so with several processes it is done after a
        growth of a tenth, and else as often as costs little.
        """
        held = {pid: _of_process(pid) for pid in (self.first, *others)}
        total = sum(held.values())
        if len(held) > 1:
            began = time.monotonic()
            if began < self._next_sample and total < self._sampled * RESAMPLE:
                return self.peak
            self._sampled = total
            total = sum(_own_share(pid) for pid in held.keys() - {self.first}) + held[self.first]
            ended = time.monotonic()
            self._next_sample = ended + (ended - began) / SHARE_OF_TIME
        self.peak = max(self.peak, total + self._outside() - self._before)
        return self.peak

    def machine_growth(self) -> int:
        """Bytes that the whole machine added to what it shares between processes, files in memory
        included, and to what the kernel needs for itself.

        A run can hide there: it touches shared pages and unmaps all but the first, or has each of
        its processes divide its memory into 65,000 mappings.
        """
        return _of_machine() - self._machine_before

    def _outside(self) -> int:
        blocks = sum(os.fstat(file).st_blocks for file in self.files)
        total = 512 * blocks
        if self.isolated:
            disk = os.statvfs("/tmp")
            total += disk.f_frsize * (disk.f_blocks - disk.f_bfree)
            total += FILE * (disk.f_files - disk.f_ffree)
            head, *segments = Path("/proc/sysvipc/shm").read_text().splitlines()
            column = head.split().index("rss")
            total += sum(int(segment.split()[column]) for segment in segments)
        return total


def _of_process(pid: int) -> int:
    return _sum(f"/proc/{pid}/status", HELD)


def _own_share(pid: int) -> int:
    """Of a page that n processes hold, an nth counts."""
    return _sum(f"/proc/{pid}/smaps_rollup", SHARE) + _sum(f"/proc/{pid}/status", (b"VmPTE",))


def _of_machine() -> int:
    return _sum("/proc/meminfo", OF_NO_PROCESS)


def _sum(file: str, fields: Iterable[bytes]) -> int:
    """Bytes, 0 if the process is gone; a line is such as `RssAnon:   120 kB`."""
    with suppress(OSError):
        lines = (line.partition(b":") for line in Path(file).read_bytes().splitlines())
        return sum(1024 * int(size.split()[0]) for name, _, size in lines if name in fields)
    return 0
