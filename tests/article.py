"""A page on its way through Python-Markdown, set as on the site, and what is found on it."""

from __future__ import annotations

from pathlib import Path

from markdown import Markdown
from mkdocs.config import load_config

from qa.check import article, markdown, shown
from qa.check.verdicts import Verdicts
from qa.failures import Failures
from qa.memo import Memo
from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.includes import Includes
from qa.pages.render import render
from qa.run import notebook as notebooks

ROOT = Path(__file__).parents[1]
VERDICTS = Verdicts(Memo())
NOTEBOOK = notebooks.read(ROOT / "notebooks/billing/energy.py")
INCLUDES = Includes([NOTEBOOK], ROOT)


def converter() -> Markdown:
    config = load_config(str(ROOT / "mkdocs.yml"))
    return Markdown(extensions=config.markdown_extensions, extension_configs=config.mdx_configs)


def findings(text: str, folder: Path, convert: Markdown) -> list[str]:
    """`line code` of all that is found on an English page with `text` from line 3 on."""
    path = folder / "docs/en/page.md"
    path.parent.mkdir(parents=True)
    path.write_text(f"# Title\n\n{text}\n", encoding="utf-8")
    try:
        page = pages.read(path, "en", "page")
    except Failures as error:
        return [f"{fault.line} {fault.code}" for fault in error.failures]
    found = [f"{f.line} {f.reason.split()[1][:-1]}" for f in markdown.check(page, VERDICTS)]
    lines = render(page, Content({}, included=INCLUDES.text))
    content = convert.reset().convert("\n".join(lines))
    written = shown.written(page, page.lines, None, INCLUDES)
    found += [f"{each.line} {each.code}" for each in article.check(content, written)]
    return sorted(set(found))
