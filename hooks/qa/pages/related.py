"""Which pages belong together: by the links between them, and by the terms that they share."""

from __future__ import annotations

import posixpath
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from qa.pages.page import Page

SHOWN = 4
LINK, TAG = 2, 1
"""What a link from one page to the other counts, and a tag that both carry."""


def neighbours(pages: Iterable[Page]) -> dict[str, list[str]]:
    """The names of the pages that belong to each, nearest first; `pages` are of one language."""
    answers = {page.name: page for page in pages if page.sources}
    near: Mapping[str, Counter[str]] = defaultdict(Counter)
    for name, page in answers.items():
        for link in page.markup.links:
            target = posixpath.join(posixpath.dirname(name), link.target.partition("#")[0])
            other = posixpath.normpath(target).removesuffix(".md")
            if other in answers and other != name:
                near[name][other] += LINK
                near[other][name] += LINK
        for other, their in answers.items():
            if other != name and (shared := len(set(page.tags) & set(their.tags))):
                near[name][other] += TAG * shared
    return {
        name: sorted(near[name], key=lambda other: (-near[name][other], other))[:SHOWN]
        for name in answers
    }
