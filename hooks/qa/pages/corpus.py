"""The source documents' questions, and which pages answer them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from qa import LANGUAGES, files, forms, yaml_lines
from qa.failures import Failure, Failures
from qa.pages.page import Page
from qa.yaml_lines import Record

PARTLY = "partly"
TEXTS: dict[str, object] = {language: str for language in LANGUAGES}
QUESTION = {"id": forms.Name, **TEXTS, "open?": (True, PARTLY), "theme?": forms.Name}
REPEATED = {"id": forms.Name, "same_as": forms.Name}
FORM = {"documents": [{"id": forms.Name, "title": TEXTS, "questions": [object]}]}


@dataclass(frozen=True)
class Question:
    id: str
    text: dict[str, str]
    line: int
    open: int | None
    """The line of `open`, which a question has as long as no page answers it, or all of it."""
    partly: bool
    theme: str
    """Where the answer of an open question will stand, or empty."""
    repeats: str
    """The id of the question that it repeats word for word, or empty."""

    @property
    def answered_as(self) -> str:
        return self.repeats or self.id


@dataclass(frozen=True)
class Document:
    id: str
    title: dict[str, str]
    questions: tuple[Question, ...]


@dataclass
class Corpus:
    """`answers` maps the id of a question that repeats none to the names of the pages that answer
    it."""

    path: Path
    documents: dict[str, Document]
    answers: dict[str, list[str]]

    @property
    def questions(self) -> dict[str, Question]:
        return {q.id: q for document in self.documents.values() for q in document.questions}

    @property
    def distinct(self) -> list[list[Question]]:
        """Each question that repeats none, with those that repeat it behind."""
        by_first: dict[str, list[Question]] = {}
        for question in sorted(
            self.questions.values(), key=lambda question: bool(question.repeats)
        ):
            by_first.setdefault(question.answered_as, []).append(question)
        return list(by_first.values())

    def answers_to(self, question: Question) -> list[str]:
        return self.answers[question.answered_as]

    def is_answered(self, question: Question) -> bool:
        """By some page, and not only in part."""
        return bool(self.answers_to(question)) and not question.partly

    @property
    def answered(self) -> int:
        return sum(map(self.is_answered, self.questions.values()))

    def theme_of(self, question: Question) -> str:
        """Where its answer stands or will stand, or empty."""
        return question.theme or next(map(theme_of, self.answers_to(question)), "")


def theme_of(name: str) -> str:
    """Of a page, by its name."""
    return name.partition("/")[0]


def read(path: Path) -> Corpus:
    """Raises Failures, with lines, if the file does not have its form, an id stands twice, or a
    question repeats one that is none."""
    found = yaml_lines.parse(path, files.read_text(path))
    failures = list(forms.check(path, found, FORM, "the file"))
    if not failures:
        asked = [entry for document in found["documents"] for entry in document["questions"]]
        failures = [fault for entry in asked for fault in _entry_faults(path, entry)]
    if not failures:
        failures = [*_repetitions(path, asked)]
    if failures:
        raise Failures(failures)
    texts = {entry["id"]: entry for entry in asked}
    documents = {
        entry["id"]: Document(
            entry["id"],
            {language: entry["title"][language] for language in LANGUAGES},
            tuple(_question(each, texts) for each in entry["questions"]),
        )
        for entry in found["documents"]
    }
    return Corpus(path, documents, defaultdict(list))


def _entry_faults(path: Path, entry: object) -> Iterator[Failure]:
    repeats = isinstance(entry, Record) and "same_as" in entry
    line = entry.line if isinstance(entry, Record) else 1
    form = REPEATED if repeats else QUESTION
    yield from forms.check(path, entry, form, "an entry of questions", line)


def _repetitions(path: Path, entries: list[Record]) -> Iterator[Failure]:
    seen: set[str] = set()
    own = {entry["id"] for entry in entries if "same_as" not in entry}
    for entry in entries:
        if entry["id"] in seen:
            reason = f"question {entry['id']} stands twice"
            yield Failure(path, entry.lines["id"], reason, code="question-twice")
        seen.add(entry["id"])
        if (first := entry.get("same_as")) and first not in own:
            reason = f"question {entry['id']} repeats {first}, which has no text of its own here"
            yield Failure(path, entry.lines["same_as"], reason, code="question-unknown")


def _question(entry: Record, texts: dict[str, Record]) -> Question:
    repeats = entry.get("same_as", "")
    said = texts[repeats or entry["id"]]
    return Question(
        entry["id"],
        {language: said[language] for language in LANGUAGES},
        entry.lines["id"],
        said.lines.get("open"),
        said.get("open") == PARTLY,
        said.get("theme", ""),
        repeats,
    )


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
            elif page.name not in (answers := corpus.answers_to(questions[source])):
                answers.append(page.name)
    return failures


def check_open(corpus: Corpus) -> Iterator[Failure]:
    """`open` tells a question not answered yet from one whose answer got lost."""
    for question, *_ in corpus.distinct:
        answers = corpus.answers_to(question)
        named = f"question {question.id}"
        if question.open and question.partly and not answers:
            reason = f'no page answers any part of {named}: mark it "open: true"'
            yield Failure(corpus.path, question.open, reason, code="question-open")
        elif question.open and answers and not question.partly:
            reason = (
                f'{named} is answered by {", ".join(answers)}: remove "open", '
                'or mark it "open: partly"'
            )
            yield Failure(corpus.path, question.open, reason, code="question-open")
        elif not question.open and not answers:
            reason = (
                f'no page answers {named}: put it into the sources of one, or mark it "open: true"'
            )
            yield Failure(corpus.path, question.line, reason, code="question-unanswered")
        elif question.theme and not question.open:
            reason = f'{named} is answered, where its pages say: remove "theme"'
            yield Failure(corpus.path, question.line, reason, code="question-open")
