"""The terms that both languages use in one way, each with its definition."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from markdown.extensions.toc import slugify

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures

TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
FORM = [{**TEXTS, "definition": TEXTS}]


@dataclass(frozen=True)
class Term:
    name: dict[str, str]
    definition: dict[str, str]


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
        by_id[identifier] = Term(name, definition)
    if failures:
        raise Failures(failures)
    return Terms(path, by_id)
