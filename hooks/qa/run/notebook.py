"""Read a paired notebook: the percent-format .py is the truth, the .ipynb is derived from it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from qa import facts
from qa import files as disk
from qa.facts import Facts
from qa.failures import Failure, Failures
from qa.memo import Memo
from qa.run import cell_checks, percent
from qa.run.percent import MARKER, Block
from qa.run.source import Mentions, asked, mentions, merge
from qa.yaml_lines import Record

LENT = Path(__file__).parent / "lent"
"""Modules that all notebooks may import."""

FACTS = ("facts.py", "facts.json")
"""The module that hands out facts, and the file in which it finds those of a notebook."""

MUTANTS, CAUGHT, EXPLORED = BESIDE = "mutants.toml", "caught.toml", "explored.toml"
"""Beside a notebook's files, and none of them: see the modules of these names in qa.run."""

DEFAULT_SECONDS = 10
MAXIMUM_SECONDS = 30

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Cell:
    """One cell; `line` is the 1-based line of the .py on which its source begins.

    `raises` names the exception that a cell tagged `raises-exception` must end with; `flips` the
    variable that says where the claim flips which a cell tagged `sweep` sweeps.
    """

    kind: str
    source: str
    line: int
    name: str = ""
    tags: tuple[str, ...] = ()
    raises: str = ""
    flips: str = ""

    @property
    def must_raise(self) -> bool:
        return "raises-exception" in self.tags

    def fault(self, reason: str) -> str:
        """A reason that names the cell; only those of notebooks have names."""
        return f'cell "{self.name}": {reason}' if self.name else reason


@dataclass(frozen=True)
class CompanionFile:
    """A file that the run finds in its folder; `path` is where its author finds it."""

    path: Path
    content: bytes

    @property
    def text(self) -> str:
        """Raises Failures for what is no text."""
        return disk.text_of(self.path, self.content)

    def faults(self) -> list[Failure]:
        """Why it is no text, if it is none."""
        try:
            self.text  # noqa: B018
        except Failures as error:
            return error.failures
        return []


@dataclass(frozen=True)
class Notebook:
    """A notebook as its author wrote it, with all that a run of it needs, wherever it runs.

    `name` is `<theme>/<slug>`. `files` are its companions by the names under which the run finds
    them: everything below `<theme>/<slug>/`, and the modules beside the notebook that its code
    imports. `mentions` are those of the code and of all these modules. `unchecked` says of files,
    by these names, why nothing checks them.
    """

    name: str
    path: Path
    text: str
    cells: tuple[Cell, ...]
    seconds: float = DEFAULT_SECONDS
    files: dict[str, CompanionFile] = field(default_factory=dict)
    mentions: Mentions = field(default_factory=Mentions)
    unchecked: dict[str, str] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The file name in tracebacks: the same on every machine."""
        return "/".join(self.path.parts[-3:])

    @property
    def pair(self) -> Path:
        return self.path.with_suffix(".ipynb")

    @cached_property
    def code(self) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.kind == "code")

    @property
    def facts(self) -> list[str]:
        """The names of those that it may use."""
        file = self.files.get(FACTS[1])
        return facts.names_in(file.text) if file and file.path.name == facts.FILE else []

    def cell(self, name: str) -> Cell | None:
        return next((cell for cell in self.code if cell.name == name), None)

    def as_ipynb(self, outputs: dict[str, list[dict[str, Any]]] | None = None) -> str:
        """The pair's text (nbformat 4.5), without outputs, or executed with those of its cells.

        The same bytes for the same .py, at any time and place.
        """
        cells: list[dict[str, Any]] = []
        count = 0
        for position, cell in enumerate(self.cells):
            identity = hashlib.sha256(f"{self.name}/{position}/{cell.kind}".encode()).hexdigest()
            metadata = {key: getattr(cell, key) for key in ("flips", "name", "raises")}
            metadata["tags"] = list(cell.tags)
            node: dict[str, Any] = {
                "cell_type": cell.kind,
                "id": identity[:8],
                "metadata": {key: value for key, value in metadata.items() if value},
                "source": cell.source.splitlines(keepends=True),
            }
            if cell.kind == "code":
                count += 1
                shown = outputs[cell.name] if outputs else []
                node |= {"execution_count": count if outputs else None, "outputs": shown}
            cells.append(node)
        kernel = {"kernelspec": KERNELSPEC}
        whole = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        return json.dumps(whole, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def is_notebook(path: Path) -> bool:
    """A .py with a cell marker is a notebook; one without is a module that notebooks import.

    What cannot be read is taken for one, so that whoever reads it says why.
    """
    try:
        return MARKER.search(disk.read_text(path)) is not None
    except Failures:
        return True


def find(folder: Path) -> list[Path]:
    """The notebooks `<folder>/<theme>/<slug>.py`, in order."""
    return [path for path in disk.below(folder, "*/*.py") if is_notebook(path)]


def read(path: Path, memo: Memo | None = None) -> Notebook:
    """Parse and check one notebook.

    Raises Failures: bad header, a cell without a name or with another's name, code that Python
    cannot parse, no code, no assertion.
    """
    memo = memo or Memo()
    text = disk.read_text(path)
    parsed = memo.get("notebook", text, lambda: _parse(path, text))
    cells = tuple(Cell(**cell | {"tags": tuple(cell["tags"])}) for cell in parsed["cells"])
    files = _companions(path)
    known = [_mentions(parsed["mentions"])]
    known += [_mentions_of(file, memo) for name, file in files.items() if name.endswith(".py")]
    wanted = merge(known).modules
    while wanted:
        modules = {
            module.name: _companion(module, module.parent)
            for name in sorted(wanted)
            for module in (path.with_name(f"{name}.py"), LENT / f"{name}.py")
            if module.is_file() and module.name not in files and not is_notebook(module)
        }
        files |= modules
        own = [_mentions_of(file, memo) for file in modules.values()]
        known += own
        wanted = merge(own).modules
    said = merge(known)
    if (module := files.get(FACTS[0])) and module.path.parent == LENT:
        files[FACTS[1]] = _facts_of(path, cells, files, said)
    header = parsed["header"]
    name = f"{path.parent.name}/{path.stem}"
    seconds, unchecked = header.get("seconds", DEFAULT_SECONDS), header.get("unchecked", {})
    return Notebook(name, path, text, cells, seconds, files, said, unchecked)


def project_facts(path: Path) -> Facts:
    """Those that the notebook at `path` may ask for. Raises Failures."""
    return facts.read(path.parents[2] / "docs" / facts.FILE)


def _facts_of(
    path: Path, cells: tuple[Cell, ...], files: dict[str, CompanionFile], said: Mentions
) -> CompanionFile:
    """The file of the facts that are named. Raises Failures for those that do not exist."""
    known = project_facts(path)
    sources = [(path, cell.source, cell.line) for cell in cells if cell.kind == "code"]
    sources += [(f.path, f.text, 1) for name, f in files.items() if name.endswith(".py")]
    failures = [
        Failure(place, first + line - 1, known.fault(name), code="fact-unknown")
        for place, source, first in sources
        for name, line in asked(source)
        if name not in known.names
    ]
    if failures:
        raise Failures(failures)
    return CompanionFile(known.path, facts.as_json(known.named(said.names)).encode())


def _mentions(record: dict[str, list[str]]) -> Mentions:
    return Mentions(**{key: tuple(found) for key, found in record.items()})


def _mentions_of(file: CompanionFile, memo: Memo) -> Mentions:
    """Raises Failures for a module that Python cannot parse."""
    source = file.text
    try:
        return _mentions(memo.get("module", source, lambda: asdict(mentions([source]))))
    except SyntaxError as error:
        reason = f"SyntaxError: {error.msg}"
        raise Failures([Failure(file.path, error.lineno or 1, reason, code="syntax")]) from error


def _parse(path: Path, text: str) -> dict[str, Any]:
    """Cells, header and mentions of a notebook's text. Raises Failures."""
    header, blocks = percent.read(path, text)
    failures = [*cell_checks.check(path, blocks), *_check_header(path, header)]
    if failures:
        raise Failures(failures)
    cells = [_cell(block) for block in blocks]
    drawn = ["import matplotlib.pyplot"] if any(cell.flips for cell in cells) else []
    found = mentions([*(cell.source for cell in cells if cell.kind == "code"), *drawn])
    return {"cells": [asdict(cell) for cell in cells], "header": header, "mentions": asdict(found)}


def _cell(block: Block) -> Cell:
    name, raises, flips = (block.metadata.get(key, "") for key in ("name", "raises", "flips"))
    tags = tuple(block.metadata.get("tags", ()))
    return Cell(block.kind, block.source, block.line, name, tags, raises, flips)


def _check_header(path: Path, header: Record) -> Iterator[Failure]:
    seconds, unchecked = header.get("seconds", DEFAULT_SECONDS), header.get("unchecked", {})
    if not isinstance(seconds, int | float) or not 0 < seconds <= MAXIMUM_SECONDS:
        reason = f"qa.seconds is {seconds!r}; it must be a number of at most {MAXIMUM_SECONDS}"
        yield Failure(path, header.lines["seconds"], reason, code="bad-budget")
    if not isinstance(unchecked, dict) or not all(isinstance(v, str) for v in unchecked.values()):
        reason = "qa.unchecked must map names of files to reasons"
        yield Failure(path, header.lines["unchecked"], reason, code="bad-header")


def _companions(path: Path) -> dict[str, CompanionFile]:
    """Raises Failures for a link out of the notebook's folder."""
    folder = path.with_suffix("")
    return {
        str(file.relative_to(folder)): _companion(file, folder)
        for file in disk.below(folder, "**/*")
        if file.parent != folder or file.name not in BESIDE
    }


def _companion(path: Path, folder: Path) -> CompanionFile:
    """Raises Failures for a file that cannot be read, and for a link out of the folder."""
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Failures(
            [
                Failure(
                    path, 1, f"is a link out of {folder.name}/: put the file there", code="link-out"
                )
            ]
        )
    try:
        return CompanionFile(path, path.read_bytes())
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        raise Failures([Failure(path, 1, reason, code="file-unreadable")]) from error


def write_pair(notebook: Notebook) -> bool:
    """Write the .ipynb if it differs; True if it was written."""
    text = notebook.as_ipynb()
    if notebook.pair.is_file() and notebook.pair.read_bytes() == text.encode():
        return False
    disk.write_whole(notebook.pair, text)
    return True


def check_pair(notebook: Notebook) -> Failure | None:
    """Compare the pair by content; file times say nothing after a checkout."""
    fix = f"run: qa sync {notebook.name}"
    name = notebook.pair.name
    if not notebook.pair.exists():
        return Failure(notebook.path, 1, f"has no paired {name}; {fix}", code="pair")
    try:
        text = disk.read_text(notebook.pair)
    except Failures as error:
        return error.failures[0]
    if text == notebook.as_ipynb():
        return None
    import nbformat  # takes a while, and is needed only to say what differs

    try:
        pair = nbformat.reads(text, as_version=4)
    except Exception as error:
        return Failure(notebook.pair, 1, f"is no notebook ({error}); {fix}", code="pair")
    theirs = [(cell.cell_type, cell.source) for cell in pair.cells]
    for cell, other in zip(notebook.cells, theirs, strict=False):
        if (cell.kind, cell.source) != other:
            label = f'cell "{cell.name}"' if cell.name else "a cell"
            return Failure(
                notebook.path, cell.line, f"{label} differs from {name}; {fix}", code="pair"
            )
    if len(theirs) != len(notebook.cells):
        counts = f"{len(notebook.cells)} cells, {name} has {len(theirs)}"
        return Failure(notebook.path, 1, f"has {counts}; {fix}", code="pair")
    return Failure(notebook.path, 1, f"{name} has outputs or other metadata; {fix}", code="pair")
