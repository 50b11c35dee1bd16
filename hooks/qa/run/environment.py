"""What a notebook runs on: distributions with versions, Python, the processor."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from qa.files import write_whole

COMMAND = re.compile(r"^(?:\.\./)+bin/([^,/]+),", re.M)
"""A line of a RECORD that installs a command."""
FILE = ".installed.json"


@dataclass(frozen=True)
class Installed:
    """The installed distributions by their normalised names.

    `modules` maps top-level modules to the distributions that hold them, `requirements` a
    distribution to those that it needs directly, `commands` a word by which a program or a
    distribution is called to the distribution.
    """

    versions: dict[str, str]
    modules: dict[str, list[str]]
    requirements: dict[str, list[str]]
    commands: dict[str, str]


@cache
def installed() -> Installed:
    """Read once for each state of the environment, beside which it is kept: it takes a second."""
    state = [platform.python_version()]
    for folder in (Path(entry) for entry in sys.path if entry and Path(entry).is_dir()):
        found = [path for path in folder.iterdir() if path.suffix in (".dist-info", ".egg-info")]
        state += [f"{path} {path.stat().st_mtime_ns}" for path in sorted(found)]
    file = Path(sys.prefix) / FILE
    with suppress(OSError, ValueError, LookupError, TypeError):
        kept = json.loads(file.read_text(encoding="utf-8"))
        if kept.pop("state") == state:
            return Installed(**kept)
    read = _read_installed()
    with suppress(OSError):
        write_whole(file, json.dumps(asdict(read) | {"state": state}))
    return read


def _read_installed() -> Installed:
    versions: dict[str, str] = {}
    requirements: dict[str, list[str]] = {}
    commands: dict[str, str] = {}
    modules: dict[str, list[str]] = {}
    for distribution in importlib.metadata.distributions():
        name = canonicalize_name(distribution.metadata["Name"])
        versions[name] = distribution.version
        requirements[name] = sorted(
            str(canonicalize_name(requirement.name))
            for requirement in map(Requirement, distribution.requires or ())
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        )
        record = distribution.read_text("RECORD") or ""
        commands |= {command: name for command in COMMAND.findall(record)}
        commands |= {name: name, name.replace("-", "_"): name}
    for module, names in importlib.metadata.packages_distributions().items():
        modules[module] = sorted({str(canonicalize_name(name)) for name in names})
    return Installed(versions, modules, requirements, commands)


def imported_distributions(modules: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that hold `modules`; the standard library is not among them."""
    names = {name for module in modules for name in installed().modules.get(module, ())}
    return {name: installed().versions[name] for name in sorted(names)}


def called_distributions(words: Iterable[str]) -> dict[str, str]:
    """Versions of the distributions that the words name, or whose commands they name.

    A program called by its name is not imported. A word that means something else costs no more
    than a rerun when that distribution changes.
    """
    names = {installed().commands[word] for word in words if word in installed().commands}
    return {name: installed().versions[name] for name in sorted(names)}


def with_requirements(distributions: dict[str, str]) -> dict[str, str]:
    """`distributions` and all that they need, transitively, with versions."""
    versions: dict[str, str] = {}
    pending = set(distributions)
    while pending:
        name = pending.pop()
        if name not in versions and name in installed().versions:
            versions[name] = installed().versions[name]
            pending |= set(installed().requirements[name])
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
