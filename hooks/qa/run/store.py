"""Results on disk, found by key and never changed: one JSON file each."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from qa.files import write_whole

Scalar = bool | int | float | str | Decimal


@dataclass(frozen=True)
class CellResult:
    """`outputs` are Jupyter outputs (nbformat 4) made safe for a page."""

    seconds: float
    outputs: list[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """One passed run.

    `values` are the final scalar variables, `kinds` the type names of the others. `seconds` are on
    the clock, `processor_seconds` those of all its processes, `peak_memory_bytes` what it took
    beside the libraries. `started` is UTC in ISO 8601.
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


def _encode(value: object) -> object:
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    raise TypeError(f"{type(value).__name__} in a result")


def decode_scalar(value: Any) -> Scalar:
    """A value as the kernel and the store write it: JSON, and {"decimal": "1.20"} for Decimal."""
    return Decimal(value["decimal"]) if isinstance(value, dict) else value


class Store:
    """Only passed runs are put here, so what is found needs no second look."""

    def __init__(self, folder: Path):
        self.folder = folder

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def get(self, key: str) -> Result | None:
        """None also for a record that is damaged or stands under another's key: it is made anew."""
        try:
            record = json.loads(self._path(key).read_text(encoding="utf-8"))
            if record.pop("key") != key:
                return None
            record["cells"] = {name: CellResult(**cell) for name, cell in record["cells"].items()}
            record["values"] = {name: decode_scalar(v) for name, v in record["values"].items()}
            return Result(**record)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return None

    def put(self, key: str, result: Result) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"key": key} | asdict(result), default=_encode, ensure_ascii=False)
        write_whole(self._path(key), text)
