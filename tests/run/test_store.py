"""Records of results, and what becomes of a damaged one."""

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from qa.run.store import CellResult, Result, Store

RESULT = Result(
    notebook="training/sum",
    cells={"sum": CellResult(0.1, [{"output_type": "stream", "name": "stdout", "text": "二"}])},
    values={"price": Decimal("1.20"), "ok": True, "share": 0.1},
    kinds={"parts": "list"},
    seconds=1.0,
    processor_seconds=0.5,
    peak_memory_bytes=1,
    started="2026-01-01T00:00:00+00:00",
    python="3.11",
    system="Linux x86_64",
    processor="one",
    distributions={"numpy": "2"},
)


def test_a_result_comes_back_from_the_store_as_it_was(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    assert store.get("key") is None
    store.put("key", RESULT)
    assert store.get("key") == RESULT
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["key.json"]


@pytest.mark.parametrize("damage", [lambda text: text[:50], lambda text: "{}", lambda text: "[]"])
def test_a_damaged_record_is_made_anew(tmp_path: Path, damage: Callable[[str], str]) -> None:
    store = Store(tmp_path)
    store.put("key", RESULT)
    record = tmp_path / "key.json"
    record.write_text(damage(record.read_text()))
    assert store.get("key") is None
    store.put("key", RESULT)
    assert store.get("key") == RESULT


def test_a_record_is_trusted_only_under_its_own_key(tmp_path: Path) -> None:
    Store(tmp_path).put("key", RESULT)
    (tmp_path / "key.json").rename(tmp_path / "other.json")
    assert Store(tmp_path).get("other") is None
