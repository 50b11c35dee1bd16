"""What is wrong with the cells of a notebook before any runs."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from qa.failures import Failure
from qa.files import name_fault
from qa.forms import nearest
from qa.run import percent
from qa.run.percent import Block
from qa.run.source import parse

KEYS = ("flips", "name", "raises", "tags")
TAGS = ("hide-input", "raises-exception", "remove-output", "sweep", "volatile")
TOO_BROAD = ("BaseException", "Exception")
"""A misspelt name would satisfy them."""


def too_broad(raises: str) -> str:
    """Why a cell or fence may not say that it raises that, or nothing."""
    if raises not in TOO_BROAD:
        return ""
    return f'raises="{raises}" is satisfied by any mistake: name the type itself'


def check(path: Path, blocks: list[Block]) -> Iterator[Failure]:
    code = [block for block in blocks if block.kind == "code"]
    # Figures are files of the cell's name, and some systems see no difference in case.
    names = Counter(block.metadata.get("name", "").lower() for block in code)
    asserts = failed = 0
    for block in blocks:
        yield from _check_marker(path, block)
    for block in code:
        yield from _check_name(path, block, names)
        yield from _check_raises(path, block)
        yield from _check_flips(path, block)
        try:
            tree = parse(block.source)
        except SyntaxError as error:
            line = block.line + (error.lineno or 1) - 1
            yield _failure(path, block, line, f"SyntaxError: {error.msg}", "syntax-error")
            failed += 1
            continue
        asserts += sum(isinstance(node, ast.Assert) for node in ast.walk(tree))
        yield from _check_content(path, block, tree)
    if not code:
        yield Failure(path, 1, "no code cell", code="no-code")
    elif not asserts and not failed:
        reason = "no assertion: a notebook must assert what its page claims"
        yield Failure(path, 1, reason, code="no-assertion")


def _failure(path: Path, block: Block, line: int, reason: str, code: str) -> Failure:
    name = block.metadata.get("name", "")
    return Failure(path, line, f'cell "{name}": {reason}' if name else reason, code=code)


def _check_marker(path: Path, block: Block) -> Iterator[Failure]:
    marker = block.line - 1
    if block.kind == "raw":
        reason = "a [raw] cell is neither run nor shown: write '# %%' or '# %% [markdown]'"
        yield Failure(path, marker, reason, code="raw-cell")
    for key in sorted(block.metadata.keys() - KEYS):
        reason = f'unknown key "{key}"{nearest(key, KEYS)}; there are: {", ".join(KEYS)}'
        yield Failure(path, marker, reason, code="unknown-key")
    for tag in (tag for tag in block.metadata.get("tags", ()) if tag not in TAGS):
        reason = f'unknown tag "{tag}"{nearest(tag, TAGS)}; there are: {", ".join(TAGS)}'
        yield Failure(path, marker, reason, code="unknown-tag")
    if block.kind == "markdown":
        for line, text in enumerate(block.written, block.line):
            if text.strip() and not text.startswith("#"):
                reason = "nothing runs below a Markdown marker: write '# %%' above, or '# ' before"
                yield Failure(path, line, reason, code="code-in-markdown")
                return


def _check_name(path: Path, block: Block, names: Counter[str]) -> Iterator[Failure]:
    name = block.metadata.get("name", "")
    if not name:
        reason = 'a code cell needs a name: # %% name="..."'
        yield Failure(path, block.line - 1, reason, code="unnamed-cell")
    elif fault := name_fault(name):
        yield Failure(path, block.line - 1, f"a cell: {fault}", code="cell-name")
    elif names[name.lower()] > 1:
        reason = f'duplicate cell name "{name}"'
        yield Failure(path, block.line - 1, reason, code="duplicate-cell")


def _check_raises(path: Path, block: Block) -> Iterator[Failure]:
    raises = block.metadata.get("raises", "")
    if ("raises-exception" in block.metadata.get("tags", ())) != bool(raises):
        reason = 'a cell that must raise says what: tags=["raises-exception"] raises="..."'
        yield _failure(path, block, block.line - 1, reason, "raises-what")
    if reason := too_broad(raises):
        yield _failure(path, block, block.line - 1, reason, "raises-anything")


def _check_flips(path: Path, block: Block) -> Iterator[Failure]:
    tags, flips = block.metadata.get("tags", ()), block.metadata.get("flips", "")
    if ("sweep" in tags) != bool(flips):
        reason = 'a sweep names the number at which the claim flips: tags=["sweep"] flips="..."'
        yield _failure(path, block, block.line - 1, reason, "sweep-flips")
    if "sweep" in tags and {"raises-exception", "remove-output"} & {*tags}:
        reason = "a sweep shows a table: it neither raises nor is its output removed"
        yield _failure(path, block, block.line - 1, reason, "sweep-flips")


def _check_content(path: Path, block: Block, tree: ast.Module) -> Iterator[Failure]:
    if not tree.body:
        reason = "no code in it: nothing runs"
        yield _failure(path, block, block.line - 1, reason, "empty-cell")
    for line in percent.other_markers(block):
        reason = "begins or ends a cell in other formats only: write '# %%', or other words"
        yield _failure(path, block, line, reason, "other-marker")
