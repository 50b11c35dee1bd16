"""What is seen only on paper: where a page stands, and as of when (see assets/print.css)."""

from __future__ import annotations

import html

from qa.finish.built import BuiltSite, Page
from qa.words import WORDS

HOME = "index"


def with_printed(text: str, site: BuiltSite, page: Page) -> str:
    """Below the main part of the page; one without a date of its own has that of the home page."""
    if page.subject is None or not site.address:
        return text
    home = site.find(page.language, HOME)
    dates = page.subject.dates or (home and home.subject and home.subject.dates)
    line = html.escape(site.full_address_of(page))
    if dates:
        line += " · " + WORDS[page.language.name].as_of.format(date=dates[1])
    return text.replace("</main>", f'<p class="qa-printed">{line}</p></main>', 1)
