"""Results on disk, found by key and never changed: one JSON file each."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from qa.files import write_whole
from qa.printable import is_printable
from qa.run import outputs

Scalar = bool | int | float | str | Decimal


@dataclass(frozen=True)
class CellResult:
    """`outputs` are Jupyter outputs (nbformat 4) made safe for a page."""

    seconds: float
    outputs: list[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """One passed run.

    `values` are the final scalar variables, `kinds` say what the others are. `seconds` are on
    the clock, `processor_seconds` those of all its processes, `peak_memory_bytes` what it took
    beside the libraries. `started` is UTC in ISO 8601. `isolated`: whether it ran shut in.
    """

    notebook: str
    cells: dict[str, CellResult]
    values: dict[str, Scalar]
    kinds: dict[str, str]
    seconds: float
    processor_seconds: float
    peak_memory_bytes: int
    started: str
    python: str
    system: str
    processor: str
    distributions: dict[str, str]
    isolated: bool = True


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"{type(value).__name__} in a result")


def decode_scalar(value: Any) -> Scalar:
    """A value as the kernel and the store write it: JSON, and {"decimal": "1.20"} for Decimal."""
    return Decimal(value["decimal"]) if isinstance(value, dict) else value


def _check(result: Result) -> None:
    """Raises ValueError or TypeError for what no run has given."""
    words = [result.notebook, result.started, result.python, result.system, result.processor]
    for names in (result.cells, result.values, result.kinds, result.distributions):
        words += names
    words += [*result.kinds.values(), *result.distributions.values()]
    if any("\n" in word or not is_printable(word) for word in words) or "/" in "".join(
        result.cells
    ):
        raise ValueError("a name or version that is none")
    datetime.fromisoformat(result.started)
    numbers = [result.seconds, result.processor_seconds, result.peak_memory_bytes]
    numbers += [cell.seconds for cell in result.cells.values()]
    if not all(math.isfinite(number) and number >= 0 for number in numbers):
        raise ValueError("a measure that is none")
    for value in result.values.values():
        if not isinstance(value, Scalar) or (isinstance(value, str) and not is_printable(value)):
            raise ValueError("a value that is none")
    for cell in result.cells.values():
        for output in cell.outputs:
            outputs.check(output)


class Store:
    """Only passed runs are put here. Whoever can write to the folder can claim what ran, but what
    is found has the form of a result, and shows nothing that a run could not."""

    def __init__(self, folder: Path):
        self.folder = folder

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def get(self, key: str) -> Result | None:
        """None also for a record that is damaged, unsafe, or stands under another's key: it is
        made anew."""
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            if record.pop("key") != key:
                return None
            record["cells"] = {name: CellResult(**cell) for name, cell in record["cells"].items()}
            record["values"] = {name: decode_scalar(v) for name, v in record["values"].items()}
            result = Result(**record)
            _check(result)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError,
                RecursionError):  # fmt: skip
            return None
        return result

    def put(self, key: str, result: Result) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key} | asdict(result), default=_encode, ensure_ascii=False)
        write_whole(self._path(key), text)
