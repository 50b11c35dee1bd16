"""Who catches what: the faults of the canaries under this site's engine and under others."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages.inert import inert_html, inert_text
from qa.pages.page import Page
from qa.words import WORDS
from qa.yaml_lines import Record

OUTCOMES = WORDS[LANGUAGES[0]].outcomes.keys()
SITE = "qa"
"""The engine of this site among the tools; it has no version of its own."""

FORM = {"date": str, "python": str, "versions": object, "canaries": object}


@dataclass(frozen=True)
class Comparison:
    """`canaries` maps the name of a fault to the outcome by tool; `versions` are those of the
    other tools. `date` is in ISO 8601."""

    path: Path
    date: str = ""
    python: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    canaries: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def tools(self) -> tuple[str, ...]:
        return (SITE, *self.versions)


def read(path: Path) -> Comparison:
    """Raises Failures, with lines, for what does not have the form."""
    if not path.exists():
        return Comparison(path)
    found = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, found, FORM, "the file"))
    if not failures:
        failures = list(_check(path, found))
    if failures:
        raise Failures(failures)
    return Comparison(path, *(found[key] for key in FORM))


def _check(path: Path, found: Record) -> Iterator[Failure]:
    wrong = [key for key in ("versions", "canaries") if not isinstance(found[key], Record)]
    for key in wrong:
        yield Failure(path, found.lines[key], f"{key} is no mapping", code="comparison")
    if wrong:
        return
    versions, canaries = found["versions"], found["canaries"]
    for record in (versions, canaries):
        for name in record:
            yield from forms.check(path, name, forms.Name, name, record.lines[name])
    yield from forms.check(path, versions, dict.fromkeys(versions, str), "versions")
    form = dict.fromkeys((SITE, *versions), str)
    for name, row in canaries.items():
        faults = list(forms.check(path, row, form, name, canaries.lines[name]))
        yield from faults
        for tool, outcome in row.items() if not faults else ():
            if outcome not in OUTCOMES:
                reason = f'{name}: "{outcome}" is no outcome{forms.nearest(outcome, OUTCOMES)}'
                yield Failure(path, row.lines[tool], reason, code="comparison")


def table(page: Page, comparison: Comparison) -> list[str]:
    """A row a fault, a column a tool; below it, when and with which Python it was measured."""
    words = WORDS[page.language]
    tools = [inert_text(f"{tool} {version}") for tool, version in comparison.versions.items()]
    out = [f"| {' | '.join([*words.comparison_head, *tools])} |", f"|{' --- |' * (len(tools) + 2)}"]
    for name, row in comparison.canaries.items():
        outcomes = [words.outcomes[row[tool]] for tool in comparison.tools]
        code = f"<code>{inert_html(html.escape(name))}</code>"
        out.append(f"| {' | '.join([code, *outcomes])} |")
    date, python = inert_text(comparison.date), inert_text(comparison.python)
    measured = words.measured.format(date=date, python=python)
    return [*out, "", measured, ""]
