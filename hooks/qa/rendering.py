"""A site's pages as the Markdown that a generator reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from qa.pages import changes, comparison, lists, plain, quoted, sourced, wayfinding
from qa.pages.content import Content
from qa.pages.fences import Fence
from qa.pages.page import Page
from qa.pages.render import render
from qa.run.definitions import definitions
from qa.run.exploring import Proof
from qa.site import Site


def render_page(site: Site, path: Path, to_root: str) -> str | None:
    """The Markdown of the page at `path`, or None if it is none of this project's; `to_root` is
    the relative address of the site's root."""
    page = site.by_path.get(path)
    if page is None:
        return None
    notebook, result = site.notebooks.get(page.name), site.results.get(page.name)
    above = wayfinding.below_title(page, site.terms, site.list_of_terms)
    known: dict[str, str] = {}
    if notebook and result:
        above = wayfinding.at_a_glance(page, notebook, result, to_root) + above
        known = site.memo.get("definitions", notebook.text, lambda: definitions(notebook))
    content = replace(_content(site, page, to_root), below_title=above, definitions=known)
    lines = render(page, content)
    lines += sourced.box(page, site.facts_of(page.name), site.facts)
    near = site.related.get(page.name, ())
    lines += wayfinding.related(page, near, site.titles(page.language))
    return "\n".join(lines) + "\n"


def plain_page(site: Site, page: Page, to_root: str) -> str:
    """The same for programs that read: see qa.pages.plain."""
    lines = [*plain.plain(page, _content(site, page, to_root))]
    lines += sourced.plain(page, site.facts_of(page.name), site.facts)
    return "\n".join(lines).strip() + "\n"


def _content(site: Site, page: Page, to_root: str) -> Content:
    return Content(
        site.values(page),
        site.notebooks.get(page.name),
        site.results.get(page.name),
        site.proofs.get(page.name, Proof()),
        _lists(site, page, to_root),
        site.includes.text,
        to_root,
    )


def _in_language(site: Site, page: Page) -> dict[str, Page]:
    """All pages in that of `page`, by name."""
    language = page.language
    return {name: each[language] for name, each in site.pages.items() if language in each}


def _lists(site: Site, page: Page, to_root: str) -> dict[str, Callable[[Fence], list[str]]]:
    titles = site.titles(page.language)
    root = page.path.parents[len(Path(page.name).parts) + 1]
    return {
        "questions": lambda f: _questions(site, page, f, titles),
        "terms": lambda _: lists.terms(page, site.terms),
        "waivers": lambda _: lists.waivers(page, site.account.waived, root),
        "comparison": lambda _: comparison.table(page, site.comparison),
        "changes": lambda _: changes.lines(page, site.changes),
        "downloads": lambda _: lists.downloads(page, site.downloads, to_root),
        "answers": lambda f: quoted.answers(
            page, f, _in_language(site, page), site.results, site.values, to_root
        ),
        "runs": lambda _: lists.runs(page, site.results, site.proofs, titles),
        "credits": lambda _: lists.credited(page, site.notebooks, titles),
        "facts": lambda _: sourced.listing(page, site.facts, site.users_of_facts, titles),
    }


def _questions(site: Site, page: Page, fence: Fence, titles: dict[str, str]) -> list[str]:
    if theme := fence.options.get("theme"):
        return lists.questions_of_theme(page, theme, site.corpus, titles)
    return lists.questions(page, fence.options.get("document", ""), site.corpus, titles)
