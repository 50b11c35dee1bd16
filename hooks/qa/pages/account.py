"""What became of the blocks of code: pages count them, and show the reasons of waivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, order=True)
class Waiver:
    """`path` and `line` say where the code stands that nothing checks."""

    path: Path
    line: int
    language: str
    reason: str


@dataclass
class Account:
    """How many blocks of code there are of each sort; `diagrams` are drawn."""

    ran: int = 0
    checked: int = 0
    diagrams: int = 0
    waived: list[Waiver] = field(default_factory=list)
