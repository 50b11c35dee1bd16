"""Name what an example must not do at the line that does it, before the sandbox refuses it.

The sandbox is what keeps code in; these hooks of Python's only give better messages (PEP 578).
"""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

WRITABLE = (Path("/dev"), Path("/proc/self"))


class NetworkError(OSError):
    """Use of the network behind loopback."""


class OutsideError(PermissionError):
    """Writing outside the run's own folder."""


def guard_files_and_network(folder: Path, report: Callable[[str], None]) -> None:
    """From now on this process writes below `folder` only and reaches loopback only.

    `report` gets each use of the network: an example that catches the error would still show its
    readers something else than what they will see.
    """
    writable = (folder, *WRITABLE)

    def refuse_network(what: str) -> None:
        reason = f"uses the network ({what}); an example may only reach its own loopback"
        report(reason)
        raise NetworkError(reason)

    def is_writable(path: str | bytes | os.PathLike[Any]) -> bool:
        real = Path(os.path.realpath(os.fsdecode(path)))
        return any(real.is_relative_to(place) for place in writable)

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto"):
            sock, address = arguments
            if sock.family != socket.AF_UNIX and not _is_loopback(address[0]):
                refuse_network(f"{event.partition('.')[2]} {address[0]}:{address[1]}")
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            if not _is_address(arguments[0]) and not _is_loopback(arguments[0]):
                refuse_network(f"look up {arguments[0]}")
        elif event == "open":
            path, _, flags = arguments
            writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if writes and isinstance(path, str | bytes | os.PathLike) and not is_writable(path):
                raise OutsideError(f"writes outside its folder: {os.fsdecode(path)}")

    sys.addaudithook(hook)


def _is_loopback(host: object) -> bool:
    host = _text(host)
    if host in ("", "localhost", socket.gethostname()):
        return True
    address = ipaddress.ip_address(host) if _is_address(host) else None
    return address is not None and (address.is_loopback or address.is_unspecified)


def _is_address(host: object) -> bool:
    """Whether it needs no looking up."""
    try:
        ipaddress.ip_address(_text(host))
    except ValueError:
        return False
    return True


def _text(host: object) -> str:
    return host.decode(errors="replace") if isinstance(host, bytes) else str(host or "")
