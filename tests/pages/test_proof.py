"""What pages say of their asserts, and of the models that their examples run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from qa.pages import lists
from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.page import Page
from qa.pages.render import render
from qa.run.exploring import Proof
from qa.run.notebook import Cell, Notebook
from qa.run.source import Mentions
from qa.run.store import CellResult, Result

NOTEBOOK = Notebook("t/n", Path("n.py"), "", (Cell("code", "x = 1", 1, "one"),))
SPEAKING = replace(NOTEBOOK, mentions=Mentions(("language_model", "xllamacpp")))
RESULT = Result("t/n", {"one": CellResult(0.1, [])}, {}, {}, 1, 1, 1, "2026-01-02", "", "", "", {})


def page(folder: Path, language: str = "en") -> Page:
    path = folder / "n.md"
    path.write_text('# T\n\n``` cell name="one"\nC\n```\n', encoding="utf-8")
    return pages.read(path, language, "t/n")


def details(folder: Path, proof: Proof, notebook: Notebook = NOTEBOOK) -> str:
    """How the page says that its example ran."""
    lines = render(page(folder), Content({}, notebook, RESULT, proof))
    return "\n".join(lines).partition("<aside")[2]


@pytest.mark.parametrize(
    ("proof", "said"),
    [
        (
            Proof(9, 40, 31),
            "<p>31 of 40 faults planted at random in its code were caught. "
            "The tests require that 9 others, each making a claim false, be caught.</p>",
        ),
        (Proof(0, 40, 31), "<p>31 of 40 faults planted at random in its code were caught.</p>"),
        (Proof(), "<p>Faults planted at random in its code: not measured for this version.</p>"),
    ],
)
def test_a_page_says_how_many_faults_are_caught(tmp_path: Path, proof: Proof, said: str) -> None:
    assert said in details(tmp_path, proof)


def test_the_list_of_runs_says_it_of_all(tmp_path: Path) -> None:
    results, titles = {"t/a": RESULT, "t/b": RESULT}, {"t/a": "A", "t/b": "B"}
    proofs = {"t/a": Proof(9, 40, 31), "t/b": Proof(2)}
    *_, first, second = lists.runs(page(tmp_path), results, proofs, titles)
    assert "| 31 / 40 | 9 |" in first
    assert "| not measured for this version | 2 |" in second


def test_who_made_the_model_stands_where_it_runs(tmp_path: Path) -> None:
    assert "SmolLM2" not in details(tmp_path, Proof())
    said = details(tmp_path, Proof(), SPEAKING)
    assert "SmolLM2-135M-Instruct</a>, HuggingFaceTB, Apache-2.0</p>" in said
    assert "llama.cpp</a>, ggml-org, MIT</p>" in said


def test_all_models_are_listed_with_their_pages(tmp_path: Path) -> None:
    books, titles = {"t/n": NOTEBOOK, "t/m": SPEAKING}, {"t/n": "N", "t/m": "M"}
    weights, engine = lists.credited(page(tmp_path, "zh"), books, titles)
    assert weights.startswith("- 模型权重：<a href=")
    assert weights.endswith("HuggingFaceTB、Apache-2.0，用于：[M](m.md)")
    assert engine.endswith("ggml-org、MIT，用于：[M](m.md)")
    assert lists.credited(page(tmp_path), {"t/n": NOTEBOOK}, titles) == []
