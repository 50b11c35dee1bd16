"""All that the builder writes goes where it should: no code writes but through `path_below`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

HOOKS = Path(__file__).parents[2] / "hooks"
WRITERS = {
    "write_text", "write_bytes", "touch", "symlink_to", "hardlink_to", "rename", "replace",
    "copyfile", "copy", "copy2", "copytree", "move", "mkstemp", "NamedTemporaryFile", "write_zip",
}  # fmt: skip
OPENERS = {"open", "fdopen"}
ALLOWED = {
    "qa/files.py": "this is where it is checked",
    "qa/finish/publishing.py": "moves a finished site as a whole",
    "qa/adapters/zensical.py:shutil.copytree": "as a whole, what the generator has built",
}
"""What runs in the sandbox writes there, and is left out as a whole."""


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else ast.unparse(function)
            yield name, node


def writes(path: Path) -> Iterator[str]:
    """Calls that write a file whose path does not come from `path_below`."""
    for name, node in calls(path):
        text = ast.unparse(node)
        texts_only = name == "replace" and len(node.args) + len(node.keywords) > 1
        opened = name in OPENERS and any(mode in text for mode in ("'w", "'x", "'a", "'r+"))
        if (name in WRITERS or opened) and "path_below(" not in text and not texts_only:
            yield f"{path}:{node.lineno}: {text}"


def test_every_write_is_shown_to_lie_in_its_folder() -> None:
    sources = [path for path in HOOKS.rglob("*.py") if "inside" not in path.parts]
    found = [
        write
        for path in sources
        if str(path.relative_to(HOOKS)) not in ALLOWED
        for write in writes(path)
        if f"{path.relative_to(HOOKS)}:{write.partition(': ')[2].partition('(')[0]}" not in ALLOWED
    ]
    assert found == []


def test_it_sees_a_write(tmp_path: Path) -> None:
    source = tmp_path / "x.py"
    source.write_text("a.write_text(b)\nopen(a, 'w')\nshutil.copyfile(a, b)\na.replace(b)\n")
    assert len(list(writes(source))) == 4
