"""The facts of docs/facts.yml: what holds for a version or until a date, each with its source."""

import json
from pathlib import Path
from typing import Any

VALUES = json.loads(Path(__file__).with_name("facts.json").read_text(encoding="utf-8"))
"""By group and name, those that this notebook names."""


def fact(name: str) -> Any:
    """The value of the fact "group.name"; of a "group" all its values by their names.

    The engine hands out what stands as a text of its own in the code of a notebook or its modules:
    a fact, or its group. A name that is put together from parts needs its group there.
    """
    group, _, each = name.partition(".")
    try:
        return VALUES[group][each] if each else dict(VALUES[group])
    except KeyError:
        raise LookupError(f'no fact "{name}": does it, or its group, stand in the code?') from None
