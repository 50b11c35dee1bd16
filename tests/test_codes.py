"""Each failure says its kind by a code, wherever one is made."""

from __future__ import annotations

import ast
from pathlib import Path

from qa.failures import Failure

HOOKS = Path(__file__).parents[1] / "hooks"
POSITIONS = [*Failure.__dataclass_fields__].index("code") + 1


def has_code(call: ast.Call) -> bool:
    return len(call.args) >= POSITIONS or any(word.arg == "code" for word in call.keywords)


def test_no_failure_is_made_without_a_code() -> None:
    calls = [
        (path, node)
        for path in HOOKS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Failure"
    ]
    assert len(calls) > 50
    assert [f"{path}:{node.lineno}" for path, node in calls if not has_code(node)] == []
