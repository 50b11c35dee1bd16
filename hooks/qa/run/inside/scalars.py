"""Which of a notebook's final variables a page may name: bool, int, float, str and Decimal."""

from __future__ import annotations

import math
from decimal import Decimal
from types import ModuleType
from typing import Any

from qa.run.protocol import Exact, Value

LONGEST_TEXT = 1000
LARGEST = 10**300
NO_NUMBER, LONG_TEXT, HUGE_NUMBER = "no number", "long text", "huge number"


def _item(value: Any) -> Any:
    """A Python value in place of NumPy's scalar."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        return value.item()
    return value


def _kind(value: Any) -> str:
    """Why no page can show `value`: its type, or one of the kinds above; "" if one can."""
    if type(value) not in (bool, int, float, str, Decimal):
        return type(value).__name__
    if isinstance(value, str):
        return LONG_TEXT if len(value) > LONGEST_TEXT else ""
    finite = value.is_finite() if isinstance(value, Decimal) else abs(value) < math.inf
    if not finite:
        return NO_NUMBER
    return HUGE_NUMBER if abs(value) >= LARGEST else ""


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
    plain = {name: _item(value) for name, value in _own(variables).items()}
    return {
        name: Exact(str(value)) if isinstance(value, Decimal) else value
        for name, value in plain.items()
        if not _kind(value)
    }


def kinds(variables: dict[str, Any]) -> dict[str, str]:
    """Kinds of all other data among `variables`; modules, classes and functions are none."""
    return {
        name: kind
        for name, value in _own(variables).items()
        if (kind := _kind(_item(value)))
        and not isinstance(value, ModuleType | type)
        and not callable(value)
    }
