"""What readers search: one index a language, as scripts, which also load from a folder.

The index is ready as it is: postings stay text until a query asks for them, so that a phone has
nothing to build. With a processor 4 times slower, MiniSearch needed 4.5 s from the click until the
Chinese index was built, its own stored form about half of that and twice the bytes; this needs half
a second. How it is read and searched is in docs/assets/search/.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from qa.files import path_below
from qa.finish import traditional
from qa.finish.built import Subject, Synonym
from qa.finish.tokens import tokens
from qa.memo import Memo

FIELDS = 3
"""Of each document: a page has its title, what it is about and its aliases; a section has its
title, its text and its code."""
COMMON = 0.5
"""A word in the text of more than this share of all documents tells none of them apart."""
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Entry:
    """A page: its address from the root of its language, and its sections."""

    address: str
    subject: Subject
    sections: list[dict[str, str]]


def write(root: Path, entries: Iterable[Entry], synonyms: Sequence[Synonym], memo: Memo) -> None:
    """Into the folder of a language: the index, and the texts that results quote."""
    documents: list[dict[str, object]] = []
    fields, texts = [], []
    for entry in entries:
        if not entry.subject.is_found:
            continue
        subject, title = entry.subject, entry.sections[0]["title"]
        page = {"address": entry.address, "title": title, "boost": subject.boost}
        documents.append(page)
        fields.append((title, subject.about, " \n".join(subject.aliases)))
        texts.append("")
        for section in entry.sections:
            shown: dict[str, object] = {
                key: section[key] for key in ("anchor", "title", "state") if key in section
            }
            documents.append(shown)
            fields.append((section["title"], section["text"], section["code"]))
            texts.append(section["text"])
    asked = json.dumps([fields, synonyms], ensure_ascii=False)
    found = memo.get("search index", asked, lambda: _index(fields, synonyms))
    _write_script(root, "index", "searchIndex", {"documents": documents, **found})
    _write_script(root, "texts", "searchTexts", texts)


def _write_script(root: Path, name: str, variable: str, value: object) -> None:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    script = f"window.{variable} = {text}\n"
    path_below(root, f"search/{name}.js").write_text(script, encoding="utf-8")


def _index(fields: Sequence[Sequence[str]], synonyms: Sequence[Synonym]) -> dict[str, object]:
    """`terms` and their `postings` in one order, `lengths` of all fields in words, the
    `synonyms`, and the `traditional` forms."""
    postings: dict[str, dict[int, int]] = defaultdict(dict)
    lengths = []
    for document, texts in enumerate(fields):
        for field, text in enumerate(texts):
            counts = Counter(tokens(text))
            lengths.append(counts.total())
            for term, count in counts.items():
                postings[term][document * FIELDS + field] = count
    kept = {term: _without_common(slots, len(fields)) for term, slots in postings.items()}
    ordered = sorted(term for term, slots in kept.items() if slots)
    known = {*ordered, *(character for term in ordered for character in term)}
    return {
        "terms": " ".join(ordered),
        "postings": "\n".join(_packed(kept[term]) for term in ordered),
        "lengths": lengths,
        "synonyms": synonyms,
        "traditional": traditional.forms(known),
    }


def _without_common(slots: Mapping[int, int], documents: int) -> Mapping[int, int]:
    if len(slots) <= COMMON * documents:
        return slots
    return {slot: count for slot, count in slots.items() if slot % FIELDS == 0}


def _packed(slots: Mapping[int, int]) -> str:
    """`slots` are numbers of fields, with how often a term stands there: written in base 36, each
    as the step from the last, and the count behind a dot unless it is one."""
    out, last = [], 0
    for slot, count in sorted(slots.items()):
        out.append(_base36(slot - last) + (f".{_base36(count)}" if count > 1 else ""))
        last = slot
    return ",".join(out)


def _base36(number: int) -> str:
    high, low = divmod(number, 36)
    return (_base36(high) if high else "") + DIGITS[low]
