"""What is new on the site: a list on a page, and the dates of the pages that changes name."""

from __future__ import annotations

import datetime
import html
from dataclasses import dataclass
from pathlib import Path

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages.inert import inert_html
from qa.pages.page import Page
from qa.yaml_lines import Record

TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
FORM = [{"date": str, "id": forms.Name, **TEXTS, "pages?": [str]}]


@dataclass(frozen=True)
class Change:
    """`date` is that of the change, in ISO 8601; `id` never changes and is an anchor. `pages` are
    the names of those that came or changed; they stand on `line`."""

    date: str
    id: str
    text: dict[str, str]
    pages: tuple[str, ...] = ()
    line: int = 1


@dataclass(frozen=True)
class Changes:
    """The newest first."""

    path: Path
    entries: tuple[Change, ...] = ()

    def dates(self, name: str) -> tuple[str, str] | None:
        """When the page of this name came, and when it last changed."""
        found = [change.date for change in self.entries if name in change.pages]
        return (found[-1], found[0]) if found else None


def read(path: Path) -> Changes:
    """Raises Failures, with lines, for what does not have the form or order, or stands twice."""
    if not path.exists():
        return Changes(path)
    found = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, found, FORM, "changes"))
    if failures:
        raise Failures(failures)
    seen: set[str] = set()
    last = "9999-12-31"
    for entry in found:
        line, date = entry.lines["date"], entry["date"]
        try:
            datetime.date.fromisoformat(date)
        except ValueError:
            failures.append(
                Failure(path, line, f'no date "{date}": write "2026-01-31"', code="changes")
            )
        if date > last:
            failures.append(Failure(path, line, "the newest change stands first", code="changes"))
        if entry["id"] in seen:
            failures.append(
                Failure(path, entry.lines["id"], f'id "{entry["id"]}" stands twice', code="changes")
            )
        seen.add(entry["id"])
        last = date
    if failures:
        raise Failures(failures)
    return Changes(path, tuple(map(_change, found)))


def _change(entry: Record) -> Change:
    text = {each: entry[each] for each in LANGUAGES}
    named, line = tuple(entry.get("pages", ())), entry.lines.get("pages", entry.line)
    return Change(entry["date"], entry["id"], text, named, line)


def lines(page: Page, changes: Changes) -> list[str]:
    out = ['<dl class="qa-changes">']
    for change in changes.entries:
        text = inert_html(html.escape(change.text[page.language]))
        out.append(f'<dt id="{change.id}"><time>{change.date}</time></dt><dd>{text}</dd>')
    return [*out, "</dl>", ""]
