"""The `qa` command: what an author does without building the site."""

from __future__ import annotations

import argparse
import datetime
import logging
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from qa import LANGUAGES, facts
from qa.failures import Failure, Failures
from qa.pages import page as pages
from qa.prepare import run_shard
from qa.printable import loggable
from qa.project import Project
from qa.run import caught, exploring, mutants
from qa.run import notebook as notebooks
from qa.run.asserted import unasserted
from qa.run.inside.safe import HTML, TEXT
from qa.run.runs import run_all
from qa.run.twice import run_again


def main(arguments: list[str] | None = None) -> int:
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    project = Project(Path.cwd())
    if not project.notebooks.is_dir():
        parser.error("no notebooks/ here: call qa in the folder that holds mkdocs.yml")
    try:
        if options.command == "check":
            return _list_stale(project) if options.stale else _check(project)
        elif options.command == "sync":
            _sync(project, options.names)
        elif options.command == "mutate" and options.explore:
            _explore(project, options.names)
        elif options.command == "mutate":
            _mutate(project, options.names, options.minutes)
        elif options.shard:
            _run_shard(project, *options.shard)
        elif options.twice:
            _run_twice(project, options.names)
        else:
            _run(project, options.names)
    except Failures as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        # A full or a read-only disk.
        print(
            Failure(Path(error.filename or "."), 1, str(error.strerror), code="disk"),
            file=sys.stderr,
        )
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="qa", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, summary in (
        ("check", "find every fault that a build finds, and leave the site as it is"),
        ("run", "run notebooks and show their outputs"),
        ("sync", "write the .ipynb of each .py"),
        ("mutate", "break notebooks as their mutants.toml say, and show what is not caught"),
    ):
        command = commands.add_parser(name, help=summary)
        if name == "check":
            stale = "list the facts that somebody should review, and check nothing"
            command.add_argument("--stale", action="store_true", help=stale)
        else:
            command.add_argument("names", nargs="*", metavar="theme/slug", help="default: all")
        if name == "run":
            shard = "run the I-th of N parts of all examples, and print no outputs"
            command.add_argument("--shard", type=_shard, metavar="I/N", help=shard)
            twice = "run them a second time, and print what differs instead of outputs"
            command.add_argument("--twice", action="store_true", help=twice)
        if name == "mutate":
            explore = "plant faults of its own instead, and list those that nothing noticed"
            command.add_argument("--explore", action="store_true", help=explore)
            minutes = "pass over those known to be caught, but for as many as fit into N minutes"
            command.add_argument("--minutes", type=float, metavar="N", help=minutes)
    return parser


def _check(project: Project) -> int:
    from qa.adapters import mkdocs as adapter  # takes a while, and no other command needs it

    for handler in logging.getLogger().handlers:
        handler.addFilter(lambda it: it.levelno > logging.INFO or it.name == "mkdocs.qa")
    status = adapter.check(project.root / "mkdocs.yml")
    if status == 0:
        for book in _read(project, []):
            for note in _notes(project, book):
                print(f"{book.name}: {note}", file=sys.stderr)
    return status


def _notes(project: Project, book: notebooks.Notebook) -> Iterator[str]:
    """What its author should know, and is no fault."""
    if names := unasserted(book, _quoted(project, book.name)):
        yield f"no assert names what the page shows: {', '.join(names)}"
    if not exploring.proof(book, 0).planted:
        yield f"not explored in this version: qa mutate --explore {book.name}"


def _list_stale(project: Project) -> int:
    path = project.docs / facts.FILE
    for fact in facts.read(path).overdue(facts.today()):
        place = f"{path.relative_to(project.root)}:{fact.line}"
        print(f"{place}: {fact.id} = {fact.value}, to be reviewed since {fact.review}")
    return 0


def _read(project: Project, names: list[str]) -> list[notebooks.Notebook]:
    project.refuse_unsafe_files()
    found = {f"{path.parent.name}/{path.stem}": path for path in notebooks.find(project.notebooks)}
    for name in names:
        if name not in found:
            raise SystemExit(f"qa: no notebook {name}; there are: {', '.join(found)}")
    return [notebooks.read(found[name], project.memo) for name in names or found]


def _sync(project: Project, names: list[str]) -> None:
    for book in _read(project, names):
        if notebooks.write_pair(book):
            print(f"wrote {book.pair.relative_to(project.root)}")


def _shard(text: str) -> tuple[int, int]:
    """From `2/5`. Raises ValueError, which argparse reports."""
    number, shards = map(int, text.split("/"))
    if not 1 <= number <= shards:
        raise ValueError(text)
    return number, shards


def _run_shard(project: Project, number: int, shards: int) -> None:
    runs = run_shard(project, number, shards)
    counts = f"{len(runs.results)} examples, of which {len(runs.ran)} ran now"
    print(f"shard {number}/{shards}: {counts}")
    if runs.failures:
        raise Failures(runs.failures)


def _run_twice(project: Project, names: list[str]) -> None:
    books = _read(project, names)
    runs = run_all(books, project.cache)
    quoted = {book.name: set(_quoted(project, book.name)) for book in books}
    if failures := runs.failures + run_again(books, runs, project.cache, quoted):
        raise Failures(failures)
    print(f"{len(runs.results)} examples show the same when they run again")


def _mutate(project: Project, names: list[str], minutes: float | None) -> None:
    books = {book.name: book for book in _read(project, names) if mutants.read(book)}
    known = [] if minutes is None else [name for name in books if caught.known(books[name])]
    tried = _try_mutants(project, [books[name] for name in books if name not in known])
    end = time.monotonic() + 60 * (minutes or 0)
    left = caught.in_turn(known, datetime.date.today())
    while left and time.monotonic() < end:
        tried += _try_mutants(project, [books[left.pop(0)]])
    print(f"{tried} mutants, each caught where it says")
    if left:
        print(f"known to be caught, and not tried again: those of {', '.join(sorted(left))}")


def _try_mutants(project: Project, books: list[notebooks.Notebook]) -> int:
    """How many there are, all caught. Raises Failures."""
    planted = {book.name: mutants.read(book) for book in books}
    pairs = [(name, mutant) for name, mine in planted.items() for mutant in mine]
    failures = mutants.run_all({book.name: book for book in books}, pairs, project.cache)
    wrong = {failure.path for failure in failures}
    for book in books:
        mine = planted[book.name]
        if not wrong & {mutant.path for mutant in mine}:
            caught.keep(book, len(mine))
    if failures:
        raise Failures(failures)
    return len(pairs)


def _explore(project: Project, names: list[str]) -> None:
    for book in _read(project, names):
        planted, alive = exploring.explore(book, project.cache)
        for line in exploring.keep(book, planted, alive):
            print(line)
        print(f"{book.name}: {planted - len(alive)} of {planted} planted faults caught")


def _quoted(project: Project, name: str) -> Iterator[str]:
    """Names of the values that the page of a notebook shows."""
    for language in LANGUAGES:
        path = project.docs / language / f"{name}.md"
        if path.exists():
            values = pages.read(path, language, name).values
            yield from (value.name for value in values if not value.fact)


def _run(project: Project, names: list[str]) -> None:
    runs = run_all(_read(project, names), project.cache)
    for name, result in runs.results.items():
        print(f"=== {name}: {result.seconds:.1f} s, {result.peak_memory_bytes / 2**20:.0f} MiB")
        for cell, ran in result.cells.items():
            print(f"--- {cell} ({ran.seconds:.2f} s)")
            for output in ran.outputs:
                data = output.get("data", {})
                kind = next(iter(data), "")
                text = output.get("text") or data.get(TEXT) or data.get(HTML) or f"[{kind}]"
                print(loggable(text if output["output_type"] != "error" else output["evalue"]))
        print("--- values")
        for variable, value in result.values.items():
            print(f"{variable} = {value!r}")
    if runs.failures:
        raise Failures(runs.failures)


if __name__ == "__main__":
    sys.exit(main())
