"""The site's own questions and terms."""

from pathlib import Path

import yaml

from qa import LANGUAGES
from qa.pages import corpus

DOCS = Path(__file__).parents[2] / "docs"


def test_five_documents_of_thirty_questions_each_restated_once() -> None:
    found = corpus.read(DOCS / "corpus.yml")
    numbers = {name: [q.id for q in d.questions] for name, d in found.documents.items()}
    assert numbers == {name: [f"{name}{n:02}" for n in range(1, 31)] for name in "ABCDE"}
    assert all(found.theme_of(question) for question, *_ in found.distinct if question.open)
    for language in LANGUAGES:
        texts = [question.text[language] for question, *_ in found.distinct]
        assert len(set(texts)) == len(texts)
        assert all(text.endswith(("？", "?")) for text in texts)


def test_questions_that_repeat_another_word_for_word_are_marked() -> None:
    repeated = {
        question.id: question.repeats
        for question in corpus.read(DOCS / "corpus.yml").questions.values()
        if question.repeats
    }
    # Document D asks thirteen questions, goes on from the fourth again, and once more; in B the
    # 22nd is the 28th.
    expected = {f"D{n}": f"D{n - 10:02}" for n in range(14, 24)}
    expected |= {f"D{n}": f"D{n - 20:02}" for n in range(24, 31)}
    assert repeated == {"B28": "B22", **expected}


def test_the_list_of_questions_has_all_themes() -> None:
    found = corpus.read(DOCS / "corpus.yml")
    themes = {question.theme for question in found.questions.values() if question.open}
    for language in LANGUAGES:
        page = (DOCS / language / "questions/index.md").read_text(encoding="utf-8")
        assert all(f'questions theme="{theme}"' in page for theme in themes)


def test_each_document_has_its_page() -> None:
    for language in LANGUAGES:
        for name in corpus.read(DOCS / "corpus.yml").documents:
            page = DOCS / language / "questions" / f"{name.lower()}.md"
            assert f'questions document="{name}"' in page.read_text()


def test_terms_are_pairs_sorted_by_the_english_one() -> None:
    terms = yaml.safe_load((DOCS / "terms.yml").read_text(encoding="utf-8"))
    english = [term["en"] for term in terms]
    assert english == sorted(english, key=str.lower)
    for language in LANGUAGES:
        assert len({term[language] for term in terms}) == len(terms)
        assert all(term["definition"][language] for term in terms)
