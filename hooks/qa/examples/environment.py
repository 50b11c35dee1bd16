"""What a notebook runs on: distributions with versions, Python, the processor."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

COMMAND = re.compile(r"^(?:\.\./)+bin/([^,/]+),", re.M)
"""A line of a RECORD that installs a command."""
WORD = re.compile(r"[\w-]+")


@cache
def _distributions_of_modules() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def installed_modules() -> set[str]:
    """Top-level modules of all installed distributions."""
    return set(_distributions_of_modules())


@cache
def _requirements(distribution: str) -> frozenset[str]:
    """Names of the installed distributions that `distribution` needs directly."""
    needed = set()
    for line in importlib.metadata.requires(distribution) or ():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            needed.add(canonicalize_name(requirement.name))
    return frozenset(needed)


def _version(distribution: str) -> str | None:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def imported_distributions(modules: set[str]) -> dict[str, str]:
    """Versions of the distributions that hold `modules`; the standard library is not among them."""
    names = {
        canonicalize_name(name)
        for module in modules
        for name in _distributions_of_modules().get(module, ())
    }
    return {name: version for name in sorted(names) if (version := _version(name))}


@cache
def _distributions_of_commands() -> dict[str, str]:
    """Names of distributions, and of the commands that they install."""
    commands: dict[str, str] = {}
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        record = distribution.read_text("RECORD") or ""
        commands |= {command: name for command in COMMAND.findall(record)}
        commands |= {name: name, name.replace("-", "_"): name}
    return commands


def called_distributions(texts: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that the texts name, or whose commands they name.

    A program called by its name is not imported. A word that means something else costs no more
    than a rerun when that distribution changes.
    """
    commands = _distributions_of_commands()
    words = {word for text in texts for word in WORD.findall(text)}
    names = {commands[word] for word in words if word in commands}
    return {name: version for name in sorted(names) if (version := _version(name))}


def with_requirements(distributions: dict[str, str]) -> dict[str, str]:
    """`distributions` and all that they need, transitively, with versions."""
    versions: dict[str, str] = {}
    pending = set(distributions)
    while pending:
        name = pending.pop()
        if name not in versions and (version := _version(name)):
            versions[name] = version
            pending |= _requirements(name)
    return dict(sorted(versions.items()))


def python() -> dict[str, str]:
    """Python and platform, as far as a result depends on them."""
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
    }


@cache
def processor() -> str:
    """The processor's own name and the number of cores that this process may use."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                name = line.partition(":")[2].strip()
                break
    return f"{name}, {len(os.sched_getaffinity(0))} cores"
