"""Facts with their dates and sources: those of a page in a box at its end, and all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from itertools import groupby
from textwrap import indent

from qa.facts import Fact, Facts, Value, today
from qa.pages.inert import inert_text
from qa.pages.page import Page
from qa.pages.wayfinding import link_to
from qa.words import WORDS, Words


def anchor_of(identifier: str) -> str:
    """Of a fact, where it is listed."""
    return f"fact-{identifier.replace('.', '-')}"


def box(page: Page, used: Sequence[Fact], all_facts: Facts) -> list[str]:
    """Those that a page uses, folded; nothing if it uses none, or lists them all."""
    if not used or page.shows("facts"):
        return []
    words = WORDS[page.language]
    lines = "\n".join(items(page.language, used, all_facts))
    title = words.facts.format(count=len(used))
    return ["", f'??? qa-sourced "{title}"', "", *indent(lines, "    ").split("\n"), ""]


def plain(page: Page, used: Sequence[Fact], all_facts: Facts) -> list[str]:
    """The same for programs."""
    if not used or page.shows("facts"):
        return []
    title = WORDS[page.language].facts.format(count=len(used))
    return ["", f"**{title}**", "", *items(page.language, used, all_facts, anchors=False)]


def listing(
    page: Page, all_facts: Facts, users: Mapping[str, Iterable[str]], titles: Mapping[str, str]
) -> list[str]:
    """All facts by group; `users` are the names of the pages that use some of it."""
    words, out = WORDS[page.language], []
    for group, facts in groupby(all_facts.by_id.values(), lambda fact: fact.group):
        title = inert_text(all_facts.titles[group][page.language])
        out += ["", f'**<span id="{group}" data-entry="">{title}</span>**', ""]
        out += [f"- {part}" for part in _parts(page.language, facts)]
        links = [f"[{titles[name]}]({link_to(name, page)})" for name in users.get(group, ())]
        if links:
            out.append(f"- {words.used_by}{words.separator.join(links)}")
    return [*out, ""]


def items(
    language: str, facts: Iterable[Fact], all_facts: Facts, anchors: bool = True
) -> Iterator[str]:
    """A list, an item for each group."""
    for group, own in groupby(facts, lambda fact: fact.group):
        title = inert_text(all_facts.titles[group][language])
        yield f"- **{title}** · {' · '.join(_parts(language, own, anchors))}"


def _parts(language: str, facts: Iterable[Fact], anchors: bool = True) -> Iterator[str]:
    """Those that are of one day and from one source together."""
    words, now = WORDS[language], today()
    for (as_of, review, source), same in groupby(
        facts, lambda fact: (fact.as_of, fact.review, fact.source)
    ):
        shown = " · ".join(_shown(fact, language, anchors) for fact in same)
        link = f"[{inert_text(source.title)}]({source.url})"
        ends = [words.as_of.format(date=as_of), *_overdue(words, review, now), link]
        yield words.sourced.format(facts=shown, source=words.separator.join(ends))


def _overdue(words: Words, review: date, now: date) -> Iterator[str]:
    if review <= now:
        yield f"**{words.overdue.format(date=review)}**"


def _shown(fact: Fact, language: str, anchors: bool) -> str:
    what = inert_text(fact.what.get(language, fact.name.replace("_", " ")))
    value = inert_text(f"{_written(fact.value)} {fact.unit}".strip())
    text = f"{what}{WORDS[language].colon}{value}"
    return f'<span id="{anchor_of(fact.id)}">{text}</span>' if anchors else text


def _written(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value
    return f"{value:,.12g}" if abs(value) >= 10_000 else f"{value:.12g}"
