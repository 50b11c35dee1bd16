"""Can the diagrams and formulas of a page be drawn?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qa.drawing.drawings import CannotDraw, Drawings, Kind, Sketch
from qa.failures import Failure
from qa.pages import formulas
from qa.pages.fences import Fate
from qa.pages.page import Page


@dataclass(frozen=True)
class Asked:
    """A sketch, and where its source begins."""

    path: Path
    line: int
    sketch: Sketch


def check(pages: Iterable[Page], drawings: Drawings) -> list[Failure]:
    """Have everything on `pages` drawn, by one process, and say what cannot be drawn."""
    faults: list[Failure] = []
    asked: list[Asked] = []
    for found in (each for page in pages for each in _on(page)):
        if isinstance(found, Asked):
            asked.append(found)
        else:
            faults.append(found)
    try:
        drawings.draw(each.sketch for each in asked)
    except CannotDraw as error:
        reason = "nothing can be drawn: set up again with make install"
        return [Failure(asked[0].path, asked[0].line, reason, str(error), code="cannot-draw")]
    return faults + [fault for each in asked if (fault := _fault(each, drawings))]


def _on(page: Page) -> Iterator[Asked | Failure]:
    for fence in page.fences:
        if fence.fate is Fate.DIAGRAM:
            source = fence.code.rstrip("\n")
            yield Asked(page.path, fence.line + 1, Sketch("diagram", source))
    for formula in formulas.find(page):
        if formula.doubt:
            reason = f"formula: {formula.doubt}"
            yield Failure(page.path, formula.line, reason, code="broken-formula")
        else:
            kind: Kind = "display" if formula.display else "formula"
            yield Asked(page.path, formula.line, Sketch(kind, formula.source))


def _fault(asked: Asked, drawings: Drawings) -> Failure | None:
    found = drawings.known[asked.sketch]
    if not found.reason:
        return None
    kind = "diagram" if asked.sketch.kind == "diagram" else "formula"
    line = asked.line + found.line - 1
    return Failure(asked.path, line, f"{kind}: {found.reason}", code=f"broken-{kind}")
