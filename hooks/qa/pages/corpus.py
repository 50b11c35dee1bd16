"""The source documents' questions, and which pages answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages.page import Page

TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
QUESTION = {"id": forms.Name, **TEXTS, "open?": True}
FORM = {"documents": [{"id": forms.Name, "title": TEXTS, "questions": [QUESTION]}]}


@dataclass(frozen=True)
class Question:
    id: str
    text: dict[str, str]
    line: int
    open: int | None
    """The line of `open: true`, which a question has as long as no page answers it."""


@dataclass(frozen=True)
class Document:
    id: str
    title: dict[str, str]
    questions: tuple[Question, ...]


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
    found = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, found, FORM, "the file"))
    if failures:
        raise Failures(failures)
    documents = {
        entry["id"]: Document(
            entry["id"],
            {language: entry["title"][language] for language in LANGUAGES},
            tuple(
                Question(
                    question["id"],
                    {language: question[language] for language in LANGUAGES},
                    question.lines["id"],
                    question.lines.get("open"),
                )
                for question in entry["questions"]
            ),
        )
        for entry in found["documents"]
    }
    seen: set[str] = set()
    for question in (q for document in documents.values() for q in document.questions):
        if question.id in seen:
            failures.append(
                Failure(
                    path,
                    question.line,
                    f"question {question.id} stands twice",
                    code="question-twice",
                )
            )
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
                failures.append(
                    Failure(page.path, page.meta_line("sources"), reason, code="question-unknown")
                )
            elif page.name not in corpus.answers[source]:
                corpus.answers[source].append(page.name)
    return failures


def check_open(corpus: Corpus) -> Iterator[Failure]:
    """`open: true` tells a question not answered yet from one whose answer got lost."""
    for question in corpus.questions.values():
        answers = corpus.answers[question.id]
        if question.open and answers:
            reason = f'question {question.id} is answered by {", ".join(answers)}: remove "open"'
            yield Failure(corpus.path, question.open, reason, code="question-open")
        elif not question.open and not answers:
            reason = (
                f"no page answers question {question.id}: put it into the sources of one, "
                'or mark it "open: true"'
            )
            yield Failure(corpus.path, question.line, reason, code="question-unanswered")
