"""The form of an answer: each way in which a page leaves it, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa import LANGUAGES
from qa.check import outline
from qa.pages import page as pages
from qa.pages.includes import Includes
from qa.run import notebook as notebooks
from qa.words import WORDS
from tests import project

GOOD = project.PAGE.format(**project.WORDS["en"])
LEAD = "    - The total is 2\n"
TWICE = "## Do this { #do-this } "
FENCE = "``` python\nx = 1\n```\n"


def found(folder: Path, text: str, language: str = "en") -> list[str]:
    """`line code` of each fault of an answer, in their order."""
    source = folder / "notebooks/training/sum.py"
    source.parent.mkdir(parents=True)
    source.write_text(project.NOTEBOOK, encoding="utf-8")
    path = folder / "docs" / language / "training/sum.md"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    page, book = pages.read(path, language, "training/sum"), notebooks.read(source)
    faults = sorted(outline.check(page, book, Includes([book], folder)))
    return [f"{fault.line} {fault.code}" for fault in faults]


def line_of(text: str, start: str) -> int:
    return next(n for n, line in enumerate(text.split("\n"), 1) if line.startswith(start))


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_answer_in_its_form_has_no_fault(tmp_path: Path, language: str) -> None:
    assert found(tmp_path, project.PAGE.format(**project.WORDS[language]), language) == []


@pytest.mark.parametrize(
    ("old", "new", "at", "code"),
    [
        ("## Do this { #do-this }\n", "", "## Trade-offs", "section-missing"),
        ("## Ask first { #ask-first }\n", "", "# How", "section-missing"),
        ("## Do this {", "## Do it {", "## Do it", "section-title"),
        ("## Do this { #do-this }", "## Do this { #do }", "## Do this", "section-title"),
        ("## Do this { #do-this }", "## Do this", "## Do this", "section-title"),
        ("## Do this", "## More { #more }\n\n## Do this", "## More", "section-unknown"),
        ("## Do this", "## 照做\n\n## Do this", "## 照做", "section-unknown"),
        ("## Run it", f"{TWICE}\n\n## Run it", TWICE, "section-twice"),
        ("### Two ones are two { #finding }", "### Two", "### Two", "experiment-anchor"),
        ("### Two ones are two { #finding }\n", "", "``` cell", "experiment-missing"),
        (' does="adds up"\nThe total is {{ total', "\n{{ total", "``` cell", "does-missing"),
        ('name="sum" does="adds up"', 'name="sum" does=" "', "``` cell", "does-missing"),
        ("## Common", f"{FENCE}\n## Common", "``` python", "does-missing"),
        ("## Common", '``` text reason="x"\nx\n```\n\n## Common', "``` text", "does-missing"),
        ("## Run", '``` python does="x"\nx = 1\n```\n\n## Run', "``` python", "does-needless"),
        ("## Run", "``` python open\nx = 1\n```\n\n## Run", "``` python", "does-needless"),
        ("sources:", "over: {lead: no}\nsources:", "over:", "length-reason"),
        ("sources:", "over:\n  code: no\nsources:", "  code:", "length-reason"),
        ("The answer in 30 seconds", "In short", "!!!", "lead"),
        ("!!! abstract", "!!! info", "# How", "lead"),
        ("!!! abstract", "In a word.\n\n!!! abstract", "!!!", "lead"),
        ("## Ask first", "Besides.\n\n## Ask first", "Besides", "lead"),
        (LEAD * 3, f"    So:\n\n{LEAD * 3}", "    So", "lead"),
        (LEAD * 3, LEAD * 2, "!!!", "lead"),
        (LEAD * 3, LEAD * 5, "!!!", "lead"),
        (LEAD, "    - 10 to 20, 30, 40\n", "!!!", "length"),
        (LEAD, "    - " + "word " * 90 + "\n", "!!!", "length"),
    ],
)
def test_a_page_that_leaves_the_form(
    tmp_path: Path, old: str, new: str, at: str, code: str
) -> None:
    text = GOOD.replace(old, new, 1)
    assert f"{line_of(text, at)} {code}" in found(tmp_path, text)


def test_sections_in_another_order(tmp_path: Path) -> None:
    run = GOOD[GOOD.index("## Run it") : GOOD.index("## Common")]
    text = GOOD.replace(run, "").replace("## Trade-offs", f"{run}## Trade-offs")
    assert found(tmp_path, text) == [f"{line_of(text, '## Trade-offs')} section-order"]


@pytest.mark.parametrize(
    ("language", "lead", "fits"),
    [
        ("en", "word " * 26, True),
        ("en", "word " * 27, False),
        ("en", "[word](https://example.com/1/2/3/4/5) `6 7 8 9`", True),
        ("en", "H100, Llama-3, GPT-4, p99, FP16, v0.11 and $n$", True),
        ("en", "between 10 and 20%", False),
        ("en", "from 10-20% to 3×4", False),
        ("en", "10–20 %", True),
        ("en", "{{ total }} of {{ share:.1%}}", False),
        ("zh", "字" * 40, True),
        ("zh", "字" * 41, False),
        ("zh", "a few words " * 40, True),
    ],
)
def test_length_of_the_lead(tmp_path: Path, language: str, lead: str, fits: bool) -> None:
    """Three times the same: the lead has 80 words or 120 Han, and three numbers."""
    words = project.WORDS[language]
    text = project.PAGE.format(**words).replace(f"- {words['caption']} 2\n", f"- {lead}\n")
    assert found(tmp_path, text, language) == ([] if fits else [f"{line_of(text, '!!!')} length"])


@pytest.mark.parametrize(
    ("key", "language", "more"),
    [
        ("han", "zh", "字" * 3600),
        ("code", "en", "``` python\n" + "x = 1\n" * 150 + "```\n"),
        ("code", "zh", '``` cell name="sum" open\n```\n' + FENCE * 150),
    ],
)
def test_what_is_too_long_needs_a_reason(
    tmp_path: Path, key: str, language: str, more: str
) -> None:
    section, words = f"## {WORDS[language].sections['do-this']}", project.WORDS[language]
    text = project.PAGE.format(**words).replace(section, f"{more}\n{section}")
    title = line_of(text, f"# {words['title']}")
    assert found(tmp_path / "without", text, language) == [f"{title} length"]
    reasoned = text.replace("sources:", f"over: {{{key}: it must be}}\nsources:")
    assert found(tmp_path / "with", reasoned, language) == []
