"""Read a paired notebook: the percent-format .py is the truth, the .ipynb is derived from it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import jupytext
import nbformat

from qa.failures import Failure, Failures

MARKER = re.compile(r"^# %%(?!%|[A-Za-z])", re.M)
"""The line that begins a cell; `# %%bash` is a commented cell magic and begins none."""

DEFAULT_SECONDS = 10
MAXIMUM_SECONDS = 30

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}


@dataclass(frozen=True)
class Cell:
    """One cell; `line` is the 1-based line of the .py on which its source begins.

    `raises` names the exception that a cell tagged `raises-exception` must end with.
    """

    kind: str
    source: str
    line: int
    name: str = ""
    tags: tuple[str, ...] = ()
    raises: str = ""

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


@dataclass(frozen=True)
class Notebook:
    """A notebook as its author wrote it, with all that a run of it needs, wherever it runs.

    `name` is `<theme>/<slug>`. `files` are its companions by the names under which the run finds
    them: everything below `<theme>/<slug>/`, and the modules beside the notebook that its code
    imports. `unchecked` says of files, by these names, why nothing checks them.
    """

    name: str
    path: Path
    text: str
    cells: tuple[Cell, ...]
    seconds: float = DEFAULT_SECONDS
    files: dict[str, CompanionFile] = field(default_factory=dict)
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

    def cell(self, name: str) -> Cell | None:
        return next((cell for cell in self.code if cell.name == name), None)

    def as_ipynb(self) -> nbformat.NotebookNode:
        """The pair, without outputs: the same bytes for the same .py, at any time and place."""
        node: nbformat.NotebookNode = nbformat.v4.new_notebook(metadata={"kernelspec": KERNELSPEC})
        for position, cell in enumerate(self.cells):
            identity = hashlib.sha256(f"{self.name}/{position}/{cell.kind}".encode()).hexdigest()
            metadata: dict[str, Any] = {"name": cell.name} if cell.name else {}
            if cell.raises:
                metadata |= {"raises": cell.raises}
            if cell.tags:
                metadata |= {"tags": list(cell.tags)}
            make = getattr(nbformat.v4, f"new_{cell.kind}_cell")
            node.cells.append(make(cell.source, id=identity[:8], metadata=metadata))
        return node


def is_notebook(path: Path) -> bool:
    """A .py with a cell marker is a notebook; one without is a module that notebooks import."""
    return MARKER.search(path.read_text(encoding="utf-8")) is not None


def find(folder: Path) -> list[Path]:
    """The notebooks `<folder>/<theme>/<slug>.py`, in order."""
    return [path for path in sorted(folder.glob("*/*.py")) if is_notebook(path)]


def read(path: Path) -> Notebook:
    """Parse and check one notebook.

    Raises Failures: bad header, a cell without a name or with another's name, code that Python
    cannot parse, no code, no assertion.
    """
    text = path.read_text(encoding="utf-8")
    try:
        node = jupytext.reads(text, fmt="py:percent")
    except Exception as error:
        raise Failures([Failure(path, 1, f"not a percent-format notebook: {error}")]) from error
    markers = [text.count("\n", 0, match.start()) + 1 for match in MARKER.finditer(text)]
    if len(markers) != len(node.cells):
        reason = "text before the first cell: begin it with '# %%' or '# %% [markdown]'"
        raise Failures([Failure(path, 1, reason)])
    cells = tuple(
        Cell(
            cell.cell_type,
            cell.source,
            marker + 1,
            cell.metadata.get("name", ""),
            tuple(cell.metadata.get("tags", ())),
            cell.metadata.get("raises", ""),
        )
        for cell, marker in zip(node.cells, markers, strict=True)
    )
    failures = list(_check_cells(path, cells))
    header = node.metadata.get("qa", {})
    seconds, unchecked = header.get("seconds", DEFAULT_SECONDS), header.get("unchecked", {})
    if not isinstance(seconds, int | float) or not 0 < seconds <= MAXIMUM_SECONDS:
        reason = f"qa.seconds is {seconds!r}; it must be a number of at most {MAXIMUM_SECONDS}"
        failures.append(Failure(path, 1, reason))
    if not isinstance(unchecked, dict) or not all(isinstance(v, str) for v in unchecked.values()):
        failures.append(Failure(path, 1, "qa.unchecked must map names of files to reasons"))
    for key in header.keys() - {"seconds", "unchecked"}:
        failures.append(Failure(path, 1, f"qa.{key} is unknown; there are: seconds, unchecked"))
    if failures:
        raise Failures(failures)
    name = f"{path.parent.name}/{path.stem}"
    return Notebook(name, path, text, cells, seconds, _companions(path, cells), unchecked)


def _check_cells(path: Path, cells: tuple[Cell, ...]) -> Iterator[Failure]:
    code = [cell for cell in cells if cell.kind == "code"]
    if not code:
        yield Failure(path, 1, "no code cell")
        return
    names = Counter(cell.name for cell in code)
    asserts = 0
    for cell in code:
        if not cell.name:
            yield Failure(path, cell.line - 1, 'a code cell needs a name: # %% name="..."')
        elif names[cell.name] > 1:
            yield Failure(path, cell.line - 1, f'duplicate cell name "{cell.name}"')
        if cell.must_raise != bool(cell.raises):
            reason = 'a cell that must raise says what: tags=["raises-exception"] raises="..."'
            yield Failure(path, cell.line - 1, f'cell "{cell.name}": {reason}')
        try:
            tree = parse(cell.source)
        except SyntaxError as error:
            line = cell.line + (error.lineno or 1) - 1
            yield Failure(path, line, f'cell "{cell.name}": SyntaxError: {error.msg}')
        else:
            asserts += sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
    if not asserts:
        yield Failure(path, 1, "no assertion: a notebook must assert what its page claims")


@cache
def parse(source: str) -> ast.Module:
    """The syntax tree of a cell, IPython's magics turned into calls. Raises SyntaxError."""
    try:
        return ast.parse(source)
    except SyntaxError:
        from IPython.core.inputtransformer2 import TransformerManager

        return ast.parse(TransformerManager().transform_cell(source))


def imported_modules(sources: list[str]) -> set[str]:
    """Top-level names of all modules that the code imports, wherever it does so."""
    names = set()
    for source in sources:
        for node in ast.walk(parse(source)):
            if isinstance(node, ast.Import):
                names |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names.add(node.module.partition(".")[0])
    return names


def _companions(path: Path, cells: tuple[Cell, ...]) -> dict[str, CompanionFile]:
    """Raises Failures for a module that Python cannot parse and for a link out of the folder."""
    folder = path.with_suffix("")
    found = {
        str(file.relative_to(folder)): _companion(file, folder)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and "__pycache__" not in file.parts
    }
    wanted = imported_modules([cell.source for cell in cells if cell.kind == "code"])
    wanted |= _imports_of(file for name, file in found.items() if name.endswith(".py"))
    while wanted:
        modules = {
            module.name: _companion(module, path.parent)
            for name in wanted
            if (module := path.with_name(f"{name}.py")).is_file()
            and module.name not in found
            and not is_notebook(module)
        }
        found |= modules
        wanted = _imports_of(modules.values())
    return found


def _companion(path: Path, folder: Path) -> CompanionFile:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise Failures([Failure(path, 1, f"is a link out of {folder.name}/: put the file there")])
    return CompanionFile(path, path.read_bytes())


def _imports_of(files: Iterable[CompanionFile]) -> set[str]:
    names = set()
    for file in files:
        try:
            names |= imported_modules([file.content.decode()])
        except SyntaxError as error:
            reason = f"SyntaxError: {error.msg}"
            raise Failures([Failure(file.path, error.lineno or 1, reason)]) from error
    return names


def write_pair(notebook: Notebook) -> bool:
    """Write the .ipynb if it differs; True if it was written."""
    text = nbformat.writes(notebook.as_ipynb()) + "\n"
    if notebook.pair.exists() and notebook.pair.read_text(encoding="utf-8") == text:
        return False
    notebook.pair.write_text(text, encoding="utf-8")
    return True


def check_pair(notebook: Notebook) -> Failure | None:
    """Compare the pair by content; file times say nothing after a checkout."""
    fix = f"run: qa sync {notebook.name}"
    if not notebook.pair.exists():
        return Failure(notebook.path, 1, f"has no paired {notebook.pair.name}; {fix}")
    try:
        pair = nbformat.read(notebook.pair, as_version=4)
    except Exception as error:
        return Failure(notebook.pair, 1, f"is no notebook ({error}); {fix}")
    theirs = [(cell.cell_type, cell.source) for cell in pair.cells]
    for cell, other in zip(notebook.cells, theirs, strict=False):
        if (cell.kind, cell.source) != other:
            label = f'cell "{cell.name}"' if cell.name else "a cell"
            reason = f"{label} differs from {notebook.pair.name}; {fix}"
            return Failure(notebook.path, cell.line, reason)
    if len(theirs) != len(notebook.cells):
        counts = f"{len(notebook.cells)} cells, {notebook.pair.name} has {len(theirs)}"
        return Failure(notebook.path, 1, f"has {counts}; {fix}")
    if notebook.pair.read_text(encoding="utf-8") != nbformat.writes(notebook.as_ipynb()) + "\n":
        reason = f"{notebook.pair.name} has outputs or other metadata; {fix}"
        return Failure(notebook.path, 1, reason)
    return None
