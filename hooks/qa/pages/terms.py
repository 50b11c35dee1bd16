"""The terms that both languages use in one way, each with its definition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from markdown.extensions.toc import slugify

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.yaml_lines import Record

TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
COMMON = "common"
"""In place of a language: what is typed in all of them."""
ALIASES: dict[str, object] = {f"{language}?": [str] for language in (COMMON, *LANGUAGES)}
FORM = [{**TEXTS, "aliases?": ALIASES, "definition": TEXTS}]


@dataclass(frozen=True)
class Term:
    name: dict[str, str]
    definition: dict[str, str]
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """By language, what else readers type who mean it."""


@dataclass(frozen=True)
class Terms:
    """`by_id` is keyed by what links name after `#`: the English term as a slug."""

    path: Path
    by_id: dict[str, Term]


def read(path: Path) -> Terms:
    """Raises Failures, with lines, for what does not have the form and for what stands twice."""
    if not path.exists():
        return Terms(path, {})
    entries = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, entries, FORM, "terms"))
    if failures:
        raise Failures(failures)
    by_id: dict[str, Term] = {}
    seen: set[str] = set()
    for entry in entries:
        name = {language: entry[language] for language in LANGUAGES}
        definition = {language: entry["definition"][language] for language in LANGUAGES}
        identifier = slugify(name["en"], "-")
        if fault := files.word_fault(identifier):
            reason = f'term "{name["en"]}": {fault}'
            failures.append(Failure(path, entry.lines["en"], reason, code="name"))
        for language, key in {**name, "en": identifier}.items():
            if key in seen:
                reason = f'term "{name[language]}" stands twice'
                failures.append(Failure(path, entry.lines[language], reason, code="term"))
            seen.add(key)
        by_id[identifier] = Term(name, definition, _aliases(entry))
    failures += _alias_faults(path, entries)
    if failures:
        raise Failures(failures)
    return Terms(path, by_id)


def _aliases(entry: Record) -> dict[str, tuple[str, ...]]:
    given = entry.get("aliases", {})
    common = given.get(COMMON, [])
    return {language: (*common, *given.get(language, [])) for language in LANGUAGES}


def _alias_faults(path: Path, entries: list[Record]) -> Iterator[Failure]:
    """In each language an alias leads to one term, and is not the name of one."""
    names = {entry[key].lower(): entry[key] for entry in entries for key in LANGUAGES}
    for language in LANGUAGES:
        seen: dict[str, str] = {}
        for entry in entries:
            for alias in _aliases(entry)[language]:
                line = entry.lines["aliases"]
                if name := names.get(alias.lower()):
                    reason = f'alias "{alias}" is the name of the term "{name}": leave it out'
                    yield Failure(path, line, reason, code="alias")
                elif other := seen.get(alias.lower()):
                    reason = f'alias "{alias}" of "{entry["en"]}" is one of "{other}" too'
                    yield Failure(path, line, reason, code="alias")
                seen[alias.lower()] = entry["en"]
