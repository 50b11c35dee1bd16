"""All processes of a run, seen by the process that started the first of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

LONGEST_NAME = 80


class ProcessTree:
    """The first process and its descendants; this process must adopt their orphans."""

    def __init__(self, pid: int):
        self.first = psutil.Process(pid)

    def others(self) -> list[psutil.Process]:
        """The descendants of the first that live."""
        return [process for process in _living() if process.pid != self.first.pid]

    def other_ids(self) -> list[int]:
        return [process.pid for process in self.others()]

    def processor_seconds(self) -> float:
        """Used by all, those that ended included."""
        ended = os.times()
        total = ended.children_user + ended.children_system
        for process in _living():
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def names(self) -> Iterator[str]:
        """Commands of the processes beside the first."""
        for process in self.others():
            with suppress(psutil.Error):
                command = " ".join(process.cmdline()) or process.name()
                yield f"process {command[:LONGEST_NAME]}"

    def ports(self) -> list[str]:
        """TCP ports on which one of them listens."""
        ports = set()
        if not _has_tcp():
            return []  # the kernel takes milliseconds to list the connections
        for process in [self.first, *self.others()]:
            with suppress(psutil.Error):
                if not _has_socket(process.pid):
                    continue
                for connection in process.net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        ports.add(connection.laddr.port)
        return [f"port {port}" for port in sorted(ports)]


def sockets() -> int:
    """Those of all processes in this network, also those that are on their way between two."""
    return int(_lines_of("sockstat")[0].rpartition(" ")[2])


def _has_tcp() -> bool:
    """Whether anybody in this network has a TCP socket."""
    lines = [line.split() for name in ("sockstat", "sockstat6") for line in _lines_of(name)]
    return any(int(line[2]) > 0 for line in lines if line[0] in ("TCP:", "TCP6:"))


def _lines_of(name: str) -> list[str]:
    """Of a file of the kernel on the network; without IPv6 one is missing."""
    path = Path("/proc/net", name)
    return path.read_text().splitlines() if path.exists() else []


def kill_all(seconds: float) -> None:
    """Kill every descendant of this process, for at most `seconds` if they multiply."""
    deadline = time.monotonic() + seconds
    while (found := _living()) and time.monotonic() < deadline:
        for process in found:
            with suppress(psutil.Error):
                process.kill()


def _living() -> list[psutil.Process]:
    """Descendants of this process that are more than an uncollected exit status."""
    living = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if process.status() != psutil.STATUS_ZOMBIE:
                living.append(process)
    return living


def _has_socket(pid: int) -> bool:
    with suppress(OSError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(OSError):
                if str(link.readlink()).startswith("socket:"):
                    return True
    return False
