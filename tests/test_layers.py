"""Who may import whom: one direction, no way back, and MkDocs is known to its adapter alone."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

HOOKS = Path(__file__).parents[1] / "hooks"
BASE = ["qa", "qa.printable", "qa.words", "qa.browser", "qa.failures", "qa.files"]
BASE += ["qa.yaml_lines", "qa.forms", "qa.facts", "qa.memo", "qa.tree", "qa.project"]
RUN = [*BASE, "qa.run.protocol", "qa.run.inside", "qa.run"]
SITE = [*RUN, "qa.drawing", "qa.pages", "qa.check", "qa.site"]
MADE = ["qa.prepare", "qa.rendering", "qa.site_files", "qa.for_programs", "qa.finishing"]
ROOMS = {
    **{room: {*BASE[:number]} for number, room in enumerate(BASE)},
    "qa.run.protocol": {*BASE},
    "qa.run.inside": {*BASE, "qa.run.protocol"},
    "qa.run": {*RUN},
    "qa.drawing": {*BASE},
    "qa.pages": {*RUN},
    "qa.check": {*RUN, "qa.drawing", "qa.pages"},
    "qa.finish": {*BASE, "qa.drawing"},
    "qa.site": {*RUN, "qa.drawing", "qa.pages"},
    "qa.prepare": {*SITE},
    "qa.rendering": {*SITE},
    "qa.site_files": {*SITE},
    "qa.for_programs": {*SITE, "qa.rendering"},
    "qa.finishing": {*SITE, "qa.finish"},
    "qa.adapters": {*BASE, "qa.site", "qa.finish", *MADE, "mkdocs", "zensical"},
    "qa.offline": {*BASE, "qa.drawing", "qa.adapters"},
    "qa.cli": {*SITE, "qa.prepare", "qa.adapters"},
    "main": {"qa.adapters", "mkdocs"},
}
"""What a room may import: rooms that stand above it, which makes a cycle impossible. The name of a
package means all of its modules but those of a room within it."""


def room_of(module: str) -> str:
    rooms = (room for room in ROOMS if f"{module}.".startswith(f"{room}."))
    return max(rooms, key=len, default=module.partition(".")[0])


def not_allowed(module: str, source: str) -> set[str]:
    """What `module` imports, at whatever place, of this package and of generators, and may not."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            whole = "." * node.level + (node.module or "")
            names += [f"{whole}.{alias.name}" for alias in node.names]
    ours = {room_of(name) for name in names if name.startswith(("qa", "mkdocs", "zensical", "."))}
    return ours - ROOMS[room_of(module)] - {room_of(module)}


def modules() -> dict[str, Path]:
    paths = sorted(HOOKS.rglob("*.py"))
    return {".".join(p.relative_to(HOOKS).with_suffix("").parts): p for p in paths}


@pytest.mark.parametrize("module", modules())
def test_a_module_imports_only_what_its_room_may(module: str) -> None:
    source = modules()[module].read_text(encoding="utf-8")
    assert not not_allowed(module.removesuffix(".__init__"), source)


def test_every_room_imports_only_what_stands_above_it() -> None:
    above: set[str] = {"mkdocs", "zensical"}
    for room, allowed in ROOMS.items():
        assert allowed <= {*above, room}, room
        above.add(room)


@pytest.mark.parametrize(
    ("module", "planted", "found"),
    [
        ("qa.run.store", "from qa.pages.page import Page", "qa.pages"),
        ("qa.run.store", "from qa import site", "qa.site"),
        ("qa.run.inside.cells", "def f():\n    import qa.run.local", "qa.run"),
        ("qa.pages.page", "from qa.check import links", "qa.check"),
        ("qa.finish.terms", "from qa.pages.terms import Terms", "qa.pages"),
        ("qa.finish.folder", "from mkdocs.utils import get_relative_url", "mkdocs"),
        ("qa.offline.book", "import mkdocs.config", "mkdocs"),
        ("qa.failures", "from qa.files import read_text", "qa.files"),
        ("qa.check.links", "from . import pages", ""),
        ("main", "from qa.prepare import prepare", "qa.prepare"),
    ],
)
def test_a_planted_import_is_found(module: str, planted: str, found: str) -> None:
    assert not_allowed(module, planted) == {found}
