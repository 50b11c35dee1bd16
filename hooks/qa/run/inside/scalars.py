"""Which of a notebook's final variables a page may name: bool, int, float, str and Decimal."""

from __future__ import annotations

import math
from decimal import Decimal
from types import ModuleType
from typing import Any

from qa.run.protocol import Exact, Value

LONGEST_TEXT = 1000
LONGEST_INTEGER = 10_000
"""Bits: Python writes out no more than 4,300 digits."""


def _plain(value: Any) -> Value | None:
    """A bool, int, float, str or Decimal as a message holds it, None for anything else."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Decimal):
        return Exact(str(value))
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return None
    if isinstance(value, int) and value.bit_length() > LONGEST_INTEGER:
        return None
    return value if type(value) in (bool, int, float, str) else None


def _own(variables: dict[str, Any]) -> dict[str, Any]:
    """The notebook's variables, without private ones and what IPython put there."""
    return {
        name: value
        for name, value in list(variables.items())
        if isinstance(name, str)
        and name.isidentifier()
        and name[0] != "_"
        and name not in ("In", "Out", "get_ipython", "open")
    }


def scalars(variables: dict[str, Any]) -> dict[str, Value]:
    """The scalars among `variables`."""
    plain = {name: _plain(value) for name, value in _own(variables).items()}
    return {name: value for name, value in plain.items() if value is not None}


def kinds(variables: dict[str, Any]) -> dict[str, str]:
    """Type names of all other data among `variables`; modules, classes and functions are none."""
    return {
        name: type(value).__name__
        for name, value in _own(variables).items()
        if _plain(value) is None
        and not isinstance(value, ModuleType | type)
        and not callable(value)
    }
