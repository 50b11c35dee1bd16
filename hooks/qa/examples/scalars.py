"""Runs inside the kernel after the last cell: the final scalar variables, as JSON."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any

LONGEST_TEXT = 1000


def _plain(value: Any) -> Any:
    """A bool, int, float, str or Decimal in the store's JSON form, None for anything else."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        value = value.item()
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, str) and len(value) > LONGEST_TEXT:
        return None
    return value if type(value) in (bool, int, float, str) else None


def as_json(variables: dict[str, Any]) -> str:
    """The scalars among `variables`, private ones left out."""
    plain = {name: _plain(value) for name, value in list(variables.items()) if name[0] != "_"}
    return json.dumps({name: value for name, value in plain.items() if value is not None})
