"""What a Compose file names must stand in it: services, volumes, networks, secrets, configs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Fault = tuple[list[str | int], str]

NAMED_VOLUME = re.compile(r"[A-Za-z0-9][\w.-]+")
PORT = re.compile(
    r"(?:(?:\d+\.\d+\.\d+\.\d+|\[[\da-f:]+\]):)?(?:\d+(?:-\d+)?)?(?::?\d+(?:-\d+)?)(?:/(?:tcp|udp|sctp))?"
)
LARGEST_PORT = 65535


def faults(file: dict[str, Any]) -> Iterator[Fault]:
    """Paths and reasons; a file that extends another's services is not followed there."""
    services = file.get("services") or {}
    for name, service in services.items():
        at: list[str | int] = ["services", name]
        for key in ("depends_on", "links"):
            for other in _names(service.get(key)):
                if other not in services:
                    yield [*at, key], f'there is no service "{other}"'
        for key in ("networks", "secrets", "configs"):
            for other in _names(service.get(key)):
                if other not in (file.get(key) or {}) and (key, other) != ("networks", "default"):
                    yield [*at, key], f'"{other}" is not among the {key} of this file'
        yield from _volumes(service, file.get("volumes") or {}, at)
        yield from _ports(service, at)
        if not {"image", "build", "extends", "provider"} & service.keys():
            yield at, "has neither an image nor a build"


def _names(entries: Any) -> Iterator[str]:
    """Of a list of names or of mappings with a source, or of a mapping by name."""
    for entry in entries or ():
        yield entry.get("source", "") if isinstance(entry, dict) else str(entry).partition(":")[0]


def _volumes(service: dict[str, Any], known: dict[str, Any], at: list[Any]) -> Iterator[Fault]:
    for index, volume in enumerate(service.get("volumes") or ()):
        if isinstance(volume, dict):
            source = volume.get("source", "") if volume.get("type") == "volume" else ""
        else:
            source = str(volume).partition(":")[0] if ":" in str(volume) else ""
        if NAMED_VOLUME.fullmatch(source) and source not in known:
            yield [*at, "volumes", index], f'"{source}" is not among the volumes of this file'


def _ports(service: dict[str, Any], at: list[Any]) -> Iterator[Fault]:
    for index, port in enumerate(service.get("ports") or ()):
        if isinstance(port, dict) or "$" in str(port):
            continue
        numbers = [int(number) for number in re.findall(r"\d+", str(port).rpartition("]")[2])]
        if not PORT.fullmatch(str(port)) or max(numbers) > LARGEST_PORT:
            yield [*at, "ports", index], f'"{port}" is no port (such as 8000:8000)'
