"""The source documents' questions, and which pages answer them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from qa import LANGUAGES
from qa.failures import Failure, Failures
from qa.pages.page import Page


@dataclass(frozen=True)
class Question:
    id: str
    text: dict[str, str]
    line: int


@dataclass(frozen=True)
class Document:
    id: str
    title: dict[str, str]
    questions: tuple[Question, ...]
    line: int


@dataclass
class Corpus:
    """`answers` maps a question's id to the names of the pages that answer it."""

    path: Path
    documents: dict[str, Document]
    answers: dict[str, list[str]]

    @property
    def questions(self) -> dict[str, Question]:
        return {q.id: q for document in self.documents.values() for q in document.questions}

    @property
    def answered(self) -> int:
        return sum(bool(self.answers[id]) for id in self.questions)


def read(path: Path) -> Corpus:
    """Raises Failures, with lines, if the file does not have its form or an id stands twice."""
    text = path.read_text(encoding="utf-8")
    lines = {m[1]: text.count("\n", 0, m.start(1)) + 1 for m in re.finditer(r"id: *(\w+)", text)}
    try:
        documents = {
            entry["id"]: Document(
                entry["id"],
                {language: entry["title"][language] for language in LANGUAGES},
                tuple(
                    Question(q["id"], {lang: q[lang] for lang in LANGUAGES}, lines[q["id"]])
                    for q in entry["questions"]
                ),
                lines[entry["id"]],
            )
            for entry in yaml.safe_load(text)["documents"]
        }
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise Failures([Failure(path, line, f"no YAML: {error.problem}")]) from error
    except (KeyError, TypeError) as error:
        reason = f"not a list of documents with questions in {', '.join(LANGUAGES)}: {error!r}"
        raise Failures([Failure(path, 1, reason)]) from error
    seen: set[str] = set()
    failures = []
    for question in (q for document in documents.values() for q in document.questions):
        if question.id in seen:
            failures.append(Failure(path, question.line, f"question {question.id} stands twice"))
        seen.add(question.id)
    if failures:
        raise Failures(failures)
    return Corpus(path, documents, defaultdict(list))


def link_answers(corpus: Corpus, pages: Iterable[Page]) -> list[Failure]:
    """Note which pages answer what; report sources that do not exist."""
    failures = []
    questions = corpus.questions
    for page in pages:
        for source in page.sources:
            if source not in questions:
                reason = f"source question {source} does not stand in {corpus.path.name}"
                failures.append(Failure(page.path, page.meta_line("sources"), reason))
            elif page.name not in corpus.answers[source]:
                corpus.answers[source].append(page.name)
    return failures
