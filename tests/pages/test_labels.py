"""The words of a page take the place of the texts in its run's figures and tables."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter

import pytest

from qa.failures import Failures
from qa.pages import page
from qa.pages.labels import Labels, holds_english, texts
from qa.run.inside.safe import HTML, SVG, TEXT, checked


def figure(text: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg">{text}</svg>'


@pytest.mark.parametrize(
    "text",
    ["loss", "Loss", "5-fold", "GPU + host", "J/token", "wait [ms]", "Pareto front", "(at most)",
     "$ per million", "GPU-hours", "worst.", "Llama", "Erlang C", "λ decay", "a.b and"],
)  # fmt: skip
def test_words(text: str) -> None:
    assert holds_english(text)


@pytest.mark.parametrize(
    "text",
    ["", "0.5", "ms", "tok/s", "GPUs", "KiB", "fp16", "int8", "no_sync", "--strict", "/livez",
     "RaiseException", "vLLM", "bank.eur", "INSERT", "n = 20", "(GB)", "job-17", "u$", "損失"],
)  # fmt: skip
def test_names_and_units_are_no_words(text: str) -> None:
    assert not holds_english(text)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("loss", "损失"),
        ("loss, seed 3", "损失，种子 3"),
        ("batch 16 of 32 (50%)", "第 16 批，共 32 批 (50%)"),
        ("batch 1 of 2 (5%, 6%)", "第 1 批，共 2 批 (5%, 6%)"),
        ("Loss", None),
        ("loss, seed red", None),
        ("loss, seed ", None),
        ("my loss, seed 3", None),
        ("name", None),
    ],
)
def test_labels_are_of_whole_texts(text: str, shown: str | None) -> None:
    own = {
        "loss": "损失",
        "loss, seed {}": "损失，种子 {}",
        "batch {} of {} ({}%)": "第 {} 批，共 {} 批 ({}%)",
        "name": "name",
    }
    table = Labels("zh", own).put({HTML: f"<table><td>{text}</td></table>"})
    assert table == {HTML: f"<table><td>{shown or text}</td></table>"}


def test_the_parts_of_a_table() -> None:
    table = (
        "<div>\n<table><caption>a &lt; b</caption><thead><tr><td></td><th> loss\n of all </th>"
        "</tr></thead><tbody><tr><th>b<b>loss</b></th><td><code>loss</code></td></tr>"
        '<tr><td><span class="arithmatex">\\(loss\\)</span></td></tr></tbody></table>loss</div>'
    )
    own = {"a < b": "a&b<c", "loss": "损失", "loss of all": "总", "code": "码"}
    put = Labels("zh", own).put({HTML: table})[HTML]
    assert put == checked(HTML, put)
    assert put == (
        "<div>\n<table><caption>a&amp;b&lt;c</caption><thead><tr><td></td><th> 总 </th>"
        "</tr></thead><tbody><tr><th>b<b>损失</b></th><td><code>loss</code></td></tr>"
        '<tr><td><span class="arithmatex">\\(loss\\)</span></td></tr></tbody></table>损失</div>'
    )


def test_a_text_of_a_figure_keeps_its_anchor_and_gets_chinese_fonts() -> None:
    svg = figure(
        "<text style=\"font-size: 10px; font-family: 'DejaVu Sans', sans-serif; text-anchor: end\""
        ' x="1" y="2">a &amp; b</text><text style="fill: red">1.5</text>'
    )
    put = Labels("zh", {"a & b": "甲 & 乙"}).put({SVG: svg})[SVG]
    assert "text-anchor: end" in put and ">甲 &amp; 乙</text>" in put
    assert "'Microsoft YaHei'" in put and 'xml:lang="zh"' in put
    assert '<text style="fill: red">1.5</text>' in put


def test_one_of_several_lines_stays_around_its_middle() -> None:
    line = (
        '<text style="font-size: 10px" transform="translate(20 90) rotate(-90)">0123456789</text>'
    )
    put = Labels("zh", {"0123456789": "短"}).put({SVG: figure(line)})[SVG]
    assert '<text x="30.0" style="text-anchor: middle; font-size: 10px"' in put


def test_a_text_in_pieces() -> None:
    pieces = '<text>\n  <tspan x="0" y="-1">lo</tspan>\n  <tspan x="9" y="-5">ss</tspan>\n </text>'
    assert texts({SVG: figure(pieces)}) == ["loss"]
    put = Labels("zh", {"loss": "损失"}).put({SVG: figure(pieces)})[SVG]
    assert '<text><tspan x="0" y="-1">损失</tspan></text>' in put


def test_printed_text_stays() -> None:
    assert Labels("zh", {"loss": "损失"}).put({TEXT: "loss"}) == {TEXT: "loss"}
    assert texts({TEXT: "loss"}) == []


def test_without_labels_nothing_changes() -> None:
    data = {HTML: "<p>loss</p>"}
    assert Labels("en", {}).put(data) is data


@pytest.mark.parametrize(
    "text",
    [" " * 99_000, "a" * 99_000, "1" * 99_000, "1, " * 33_000, "a/" * 49_000, "x1 " * 33_000],
)
def test_any_text_takes_time_in_proportion(text: str) -> None:
    labels = Labels("zh", {"{}, {}, {}, {}, {}, {}x": "{}{}{}{}{}{}", "a{}1{}b": "{}{}"})
    begin = perf_counter()
    for data in ({HTML: f"<p>{text}</p>"}, {SVG: figure(f"<text>{text}</text>")}):
        for each in texts(data):
            labels.find(each)
            labels.is_foreign(each)
        labels.put(data)
    assert perf_counter() - begin < 2


@pytest.mark.parametrize(
    ("labels", "line"),
    [("", 3), ("loss", 3), ("[loss]", 3), ("\n  loss: 1", 4), ("\n  a: b\n  loss: ''", 5),
     ("\n  loss: {a: b}", 4), ("\n  loss: 损失\n  loss: 损", 5)],
)  # fmt: skip
def test_labels_of_another_form(tmp_path: Path, labels: str, line: int) -> None:
    path = tmp_path / "page.md"
    path.write_text(f"---\ndescription: x\nlabels: {labels}\n---\n# X\n", encoding="utf-8")
    with pytest.raises(Failures) as error:
        page.read(path, "zh", "page")
    assert [failure.line for failure in error.value.failures] == [line]


def test_a_page_in_english_may_have_labels_for_chinese() -> None:
    labels = Labels("en", {"损失": "loss", "甲": "甲"})
    assert labels.put({HTML: "<p>损失</p>"}) == {HTML: "<p>loss</p>"}
    assert labels.find("甲") and labels.is_foreign("乙") and not labels.is_foreign("words")
