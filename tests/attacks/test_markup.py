"""Markup on a page that would run, fetch or cover something is refused, at its line."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown import Markdown

from qa.check import assets, html, marks
from qa.pages import changes, comparison, lists
from qa.pages.account import Waiver
from qa.pages.changes import Change, Changes
from qa.pages.comparison import Comparison
from qa.pages.corpus import Corpus, Document, Question
from qa.pages.page import Page
from qa.pages.terms import Term, Terms
from qa.yaml_lines import Record
from tests.article import converter, findings


@pytest.fixture(scope="module")
def convert() -> Markdown:
    return converter()


@pytest.mark.parametrize(
    "text",
    [
        "<script>steal()</script>",
        "<ScRiPt src=x></sCrIpT>",
        "<style>p{background:url(//x)}</style>",
        '<iframe src="x"></iframe>',
        '<object data="x"></object>',
        '<embed src="x">',
        '<form action="x"></form>',
        '<base href="//x/">',
        '<meta http-equiv="refresh" content="0;url=//x">',
        '<link rel="stylesheet" href="//x">',
        '<svg onload="steal()"></svg>',
        "<math><mi>x</mi></math>",
        '<video src="x"></video>',
        '<audio src="x"></audio>',
        '<img src="https://a.example/x.png" alt="a">',
        '<img src="//a.example/x.png" alt="a">',
        '<img src="x.png" srcset="https://a.example/x.png 2x" alt="a">',
        "![a](https://a.example/x.png)",
        "![a](//a.example/x.png)",
        "![a][b]\n\n[b]: https://a.example/x.png",
        "![a](data:image/png;base64,AA==)",
        "![a](\\\\\\\\a.example/x.png)",
        "[a](javascript:steal())",
        "[a](JavaScript:steal())",
        "[a](java&#115;cript:steal())",
        "[a](java&Tab;script:steal())",
        '<a href="java\tscript:steal()">a</a>',
        '<a href="&#1;javascript:steal()">a</a>',
        '<a href="javascript&colon;steal()">a</a>',
        "[a](vbscript:x)",
        "[a](data:text/html,x)",
        "[a](file:///etc/passwd)",
        "[a]: javascript:steal()\n\n[b][a]",
        "<javascript:steal()>",
        "<data:text/html,x>",
        '<div onclick="steal()">a</div>',
        "<div OnClick=steal()>a</div>",
        '<div/onclick="steal()">a</div>',
        '<p style="background:url(//a.example)">a</p>',
        'Text.\n{ onclick="steal()" }',
        "**a**{ onmouseover=steal() }",
        '## A { style="position:fixed" }',
        '[a](page.md){ href="javascript:steal()" }',
        '![a](a.png){ src="//a.example/x.png" }',
        '![a](a.png){ srcset="//a.example/x.png" }',
        '!!! note "<script>steal()</script>"\n\n    Text.',
        '<details open ontoggle="steal()"><summary>a</summary>b</details>',
        '<a name="x" href="x" ping="//a.example">a</a>',
        '<a href="page.md" target="_top">a</a>',
        '<input autofocus onfocus="steal()">',
        '<button formaction="javascript:x">a</button>',
        '<img """><script>steal()</script>">',
        '<div a="<script>">',
        "<!--><script>steal()</script>-->",
        "<!-- --!><script>steal()</script> -->",
        "<![CDATA[<script>]]>",
        "<?php x ?>",
        "<!DOCTYPE html>",
        '<x:script xmlns:x="http://www.w3.org/1999/xhtml">steal()</x:script>',
        '<p is="x-y">a</p>',
        "<template><script></script></template>",
        '<noscript><p title="</noscript><script>steal()</script>"></noscript>',
        '<div data-md-component="search">a</div>',
        '<span data-md-toggle="x">a</span>',
        "| a |\n|---|\n| <script>steal()</script> |",
        '<code onclick="x">a</code>',
        '<area href="javascript:x">',
        "[a](<javascript:steal()>)",
        "<a href='javascript:steal()'>a</a>",
    ],
)  # fmt: skip
def test_markup_that_does_more_than_show(tmp_path: Path, convert: Markdown, text: str) -> None:
    found = findings(text, tmp_path, convert)
    refused = [each for each in found if each.split()[1].startswith("html-")]
    line = 2 + next(n for n, line in enumerate(text.splitlines(), 1) if found_in(line))
    assert str(line) in [each.split()[0] for each in refused], found


def found_in(line: str) -> bool:
    """Whether it is the line with the harm, of several."""
    return any(mark in line for mark in ("=", "/", ":", "<", "\\"))


TEXT = (
    "</a><script>steal()</script> | [x](javascript:steal()) `\n\n# x\n\n"
    "{: onclick=steal() } {{ total }}"
)


def test_texts_of_records_are_text(tmp_path: Path, convert: Markdown) -> None:
    text = {"zh": TEXT, "en": TEXT}
    page = Page(tmp_path / "docs/en/x.md", "en", "x", Record(), [], 1)
    question = Question("A01 <b>", text, 1, 1, False, "x", "")
    corpus = Corpus(tmp_path, {"A": Document("A", text, (question,))}, {"A01 <b>": []})
    made = lists.questions(page, "", corpus, {})
    made += ["", *lists.questions_of_theme(page, "x", corpus, {}), ""]
    made += lists.terms(page, Terms(tmp_path, {"x": Term(text, text)}))
    made += changes.lines(page, Changes(tmp_path, (Change("2026-01-01", "x", text),)))
    made += lists.waivers(page, [Waiver(tmp_path / "x", 1, TEXT, TEXT)], tmp_path)
    row = {"qa": "located", TEXT: "caught"}
    made += comparison.table(page, Comparison(tmp_path, TEXT, TEXT, {TEXT: "1"}, {TEXT: row}))
    article = html.read(convert.reset().convert("\n".join(["", *made])))
    assert article.faults == []
    assert article.headings == []
    assert [mark for piece in article.prose for mark in marks.find(piece)] == []


SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{}</svg>'


@pytest.mark.parametrize(
    "inside",
    [
        "<script>steal()</script>",
        "<script xlink:href='x.js'/>",
        "<style>@import url(//a.example)</style>",
        "<foreignObject><body xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>",
        '<g onload="steal()"/>',
        '<g\nONLOAD="steal()"/>',
        '<a href="javascript:steal()"><path d=""/></a>',
        '<image href="https://a.example/x.png"/>',
        '<use xlink:href="other.svg#x"/>',
        '<image href="data:image/svg+xml;base64,AA"/>',
        '<rect style="fill:url(//a.example/x)"/>',
        '<rect fill="url( &quot;//a.example/x&quot; )"/>',
        '<rect style="fill:u\\72l(//a.example/x)"/>',
        '<set attributeName="href" to="javascript:steal()"/>',
        "<![CDATA[<script/>]]>",
        "<?xml-stylesheet href='x.css'?>",
        "<g onload='steal()'/>",
        "<x:script xmlns:x='http://www.w3.org/2000/svg'/>",
    ],
)
def test_a_drawing_that_does_more_than_show(tmp_path: Path, inside: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    docs.joinpath("x.svg").write_text("<?xml version='1.0'?>\n" + SVG.format(inside))
    assert {(fault.line, fault.code) for fault in assets.check(docs)} & {
        (2, "svg-unsafe"),
        (3, "svg-unsafe"),
    }


def test_a_document_type_in_a_drawing(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    docs.joinpath("x.svg").write_text('<!DOCTYPE svg [<!ENTITY a "b">]>\n' + SVG.format("&a;"))
    assert [fault.code for fault in assets.check(docs)] == ["svg-unsafe"] * 2


def test_a_drawing_of_shapes_and_text(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    inside = '<g fill="url(#a)"><use href="#b"/><text>a &lt; b</text><path d="M0 0"/></g>'
    docs.joinpath("x.svg").write_text(SVG.format(inside))
    assert list(assets.check(docs)) == []


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("page.html", "asset-kind"),
        ("page.HTM", "asset-kind"),
        ("a.xhtml", "asset-kind"),
        ("a.xml", "asset-kind"),
        ("a.pdf", "asset-kind"),
        ("a.wasm", "asset-kind"),
        ("a.mjs", "asset-kind"),
        ("a.json", "asset-kind"),
        ("a.yml", "asset-kind"),
        ("no-suffix", "asset-kind"),
        ("a.svgz", "asset-kind"),
        ("vendor/a.html", "asset-kind"),
        ("a.js", "asset-unnamed"),
        ("zh/a.JS", "asset-unnamed"),
        ("assets/a.css", "asset-unnamed"),
    ],
)
def test_files_that_a_browser_would_run(tmp_path: Path, name: str, code: str) -> None:
    path = tmp_path / "docs" / name
    path.parent.mkdir(parents=True)
    path.write_text("x")
    tmp_path.joinpath("mkdocs.yml").write_text("extra_css: [assets/known.css]\n")
    assert [fault.code for fault in assets.check(tmp_path / "docs")] == [code]
    path.unlink()
    known = tmp_path / "docs/assets/known.css"
    known.parent.mkdir(exist_ok=True)
    known.write_text("x")
    assert list(assets.check(tmp_path / "docs")) == []
