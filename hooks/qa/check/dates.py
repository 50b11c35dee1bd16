"""Has every answer its dates, from the changes that name it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qa.failures import Failure
from qa.forms import nearest
from qa.pages.changes import Changes
from qa.pages.page import Page


def check(changes: Changes, pages: Mapping[str, Mapping[str, Page]]) -> Iterator[Failure]:
    """`pages` are by name and language. Where no changes are listed, no page has dates."""
    for change in changes.entries:
        for name in change.pages:
            if name not in pages:
                reason = f'change "{change.id}": there is no page "{name}"{nearest(name, pages)}'
                yield Failure(changes.path, change.line, reason, code="change-of-no-page")
    for name, versions in pages.items() if changes.entries else ():
        for page in versions.values():
            if page.sources and not changes.dates(name):
                reason = f'has no date: name "{name}" among the pages of an entry of changes.yml'
                yield Failure(page.path, 1, reason, code="page-without-date")
