"""llms.txt: what programs that read find on the site, with a line on each page (llmstxt.org)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from qa import LANGUAGES, root_of
from qa.pages.page import Page
from qa.words import WORDS

HOME = "index"


def write(pages: Mapping[str, Mapping[str, Page]], language: str, base: str) -> str:
    """`pages` are by name and language; `base` is the address of the language's root, or empty."""
    found = {name: versions[language] for name, versions in pages.items() if language in versions}
    return "\n".join(_lines(found, language, base)) + "\n"


def _lines(pages: Mapping[str, Page], language: str, base: str) -> Iterator[str]:
    words = WORDS[language]
    home = pages.get(HOME)
    yield f"# {words.site}"
    yield from ("", f"> {home.meta['description']}") if home and "description" in home.meta else ()
    yield from ("", words.for_programs)
    answers = {name: page for name, page in pages.items() if page.sources}
    for theme in dict.fromkeys(name.partition("/")[0] for name in answers):
        index = pages.get(f"{theme}/index")
        yield from ("", f"## {index.title if index else theme}", "")
        yield from (_line(p, base) for name, p in answers.items() if name.startswith(f"{theme}/"))
    # Programs that have little room leave out what stands below this heading.
    yield from ("", "## Optional", "")
    yield from (_line(page, base) for name, page in pages.items() if name not in (*answers, HOME))
    to_root = base.removesuffix(root_of(language)) if base else "../" * root_of(language).count("/")
    for other in LANGUAGES:
        if other != language:
            yield f"- [{WORDS[other].site}]({to_root}{root_of(other)}llms.txt)"


def _line(page: Page, base: str) -> str:
    about = page.meta.get("description", "")
    return f"- [{page.title}]({base}{page.name}.md){f': {about}' if about else ''}"
