"""What each page says of the other languages: links for machines, and the reader's switch."""

from __future__ import annotations

import re
from collections.abc import Mapping

ALTERNATE = re.compile(r'<link rel="alternate ?" href="[^"]*" hreflang="[^"]*">\s*')
SWITCH = re.compile(r'(<a href=")[^"]*(" hreflang="([^"]*)" class="md-select__link")')


def with_languages(page: str, alternates: Mapping[str, str], switch: Mapping[str, str]) -> str:
    """`alternates` are this page's addresses by language, and `switch` where a reader goes who
    chooses one.

    The space after `alternate` is for Material: below each link without it, it asks for a sitemap.
    The names of languages are in those languages, which a reader by voice must know.
    """

    def choose(match: re.Match[str]) -> str:
        language = match[3]
        if language not in switch:
            return match[0]
        return f'{match[1]}{switch[language]}{match[2]} lang="{language}"'

    links = "".join(
        f'<link rel="alternate " href="{address}" hreflang="{language}">'
        for language, address in alternates.items()
    )
    page = ALTERNATE.sub("", page).replace("</head>", f"{links}</head>", 1)
    return SWITCH.sub(choose, page)
