"""What a GitHub workflow names must stand in it, and what it runs must be there to run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Fault = tuple[list[str | int], str]

USES = re.compile(r"\./\S+|docker://\S+|[\w.-]+/[\w.-]+(?:/[\w./-]+)?@[\w./-]+")
STEP_OF = re.compile(r"\$\{\{[^}]*?\bsteps\.([\w-]+)\.")


def faults(workflow: dict[str, Any]) -> Iterator[Fault]:
    """Paths and reasons."""
    jobs = workflow.get("jobs") or {}
    for name, job in jobs.items():
        at: list[str | int] = ["jobs", name]
        needs = job.get("needs") or []
        for other in [needs] if isinstance(needs, str) else needs:
            if other not in jobs or other == name:
                yield [*at, "needs"], f'there is no other job "{other}"'
        steps = job.get("steps") or []
        seen: set[str] = set()
        for index, step in enumerate(steps):
            here = [*at, "steps", index]
            if "uses" in step and not USES.fullmatch(step["uses"]):
                yield [*here, "uses"], f'"{step["uses"]}" names no version: owner/name@version'
            for key, value in step.items():
                yield from _expressions(str(value), [*here, key], seen)
            seen |= {step["id"]} if "id" in step else set()


def _expressions(text: str, at: list[str | int], steps: set[str]) -> Iterator[Fault]:
    if text.count("${{") > text.count("}}"):
        yield at, "an expression ${{ is never closed"
    for name in STEP_OF.findall(text):
        if name not in steps:
            yield at, f'no step above has the id "{name}"'
