"""What is wrong with a page or a file of records: each fault, its line and its words."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from qa import forms
from qa.check import links, parity
from qa.check import pages as checks
from qa.failures import Failure, Failures
from qa.pages import corpus, lists, terms
from qa.pages import page as pages
from qa.pages.content import Content
from qa.pages.corpus import Corpus
from qa.pages.page import Page
from qa.pages.render import render
from qa.pages.terms import Terms

NOWHERE = Corpus(Path("corpus.yml"), {}, {})

TERMS = """\
- zh: 键值缓存
  en: KV cache
  definition: {zh: 缓存。, en: "Keys & values."}
- zh: 词元
  en: token
  definition: {zh: 单位。, en: A unit.}
"""


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    docs = tmp_path / "docs"
    write(docs / "terms.yml", TERMS)
    write(docs / "assets/plot.webp", "")
    write(docs / "zh/only.png", "")
    write(docs / "en/terms.md", "# Terms\n\n``` terms\n```\n")
    write(docs / "zh/training/other.md", "# 另一页\n")
    write(
        docs / "en/training/other.md",
        "# How it *works*\n\n## Why not?\n\n## 为什么\n\n## Why not?\n\n## Runs { #run .wide }\n\n"
        '``` cell name="sum"\nTotal.\n```\n\nText[^1] { #text }\n\n'
        '<p id="tag"></p>\n\n[^1]: Note.\n',
    )
    return docs


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def page(docs: Path, text: str, name: str = "training/sum", language: str = "en") -> Page:
    return pages.read(write(docs / language / f"{name}.md", text), language, name)


def lines(failures: Iterable[Failure]) -> list[str]:
    return [f"{failure.line}: {failure.reason}" for failure in failures]


def link_faults(docs: Path, text: str) -> list[str]:
    everything = {}
    checked = page(docs, text)
    for language in ("zh", "en"):
        for path in (docs / language).rglob("*.md"):
            name = path.relative_to(docs / language).with_suffix("").as_posix()
            everything[path] = pages.read(path, language, name)
    return lines(links.check_links(checked, everything, docs, terms.read(docs / "terms.yml")))


@pytest.mark.parametrize(
    "link",
    [
        "other.md",
        "./other.md?x=1",
        "<other.md>",
        'other.md "title (x)"',
        "../training/other.md#why-not",
        "other.md#why-not_1",
        "other.md#how-it-works",
        "other.md#_1",
        "other.md#run",
        "other.md#cell-sum",
        "other.md#text",
        "other.md#tag",
        "other.md#fn:1",
        "other.md#fnref:1",
        "../terms.md#kv-cache",
        "#here",
        "#",
        "../../assets/plot.webp#only-light",
        "../only.png",
        "https://example.org/nowhere.md#x",
        "//example.org/x",
        "mailto:a@example.org",
    ],
)
def test_links_that_lead_somewhere(docs: Path, link: str) -> None:
    assert link_faults(docs, f"# Here\n\n[text]({link})\n") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (
            "[a](nowhere.md)",
            'broken link "nowhere.md": docs/en/training/nowhere.md does not exist',
        ),
        ("[a](../training/)", 'broken link "../training/": docs/en/training is no file'),
        ("[a](../../../README.md)", 'broken link "../../../README.md": README.md does not exist'),
        (
            "[a](/training/other/)",
            'absolute link "/training/other/": write it relative to this page',
        ),
        ("[a]()", 'link "" without an address'),
        (
            "[a](../../zh/training/other.md)",
            'link "../../zh/training/other.md" leads to another language, '
            "which the reader chooses at the top of the page",
        ),
        (
            "[a](other.md#why-nit)",
            'broken anchor "other.md#why-nit": docs/en/training/other.md has no #why-nit; '
            'did you mean "why-not"?',
        ),
        ("[a](#mistakes)", 'broken anchor "#mistakes": docs/en/training/sum.md has no #mistakes'),
        (
            "[a](other.md#cell-smu)",
            'broken anchor "other.md#cell-smu": docs/en/training/other.md has no #cell-smu; '
            'did you mean "cell-sum"?',
        ),
        (
            "[a](../terms.md#kv-cach)",
            'no term "kv-cach" in terms.yml; did you mean "kv-cache"?',
        ),
        ("![a](x.png)", 'broken image "x.png": docs/en/training/x.png does not exist'),
        ("[![a](x.png)](other.md)", 'broken image "x.png": docs/en/training/x.png does not exist'),
        (
            '<a\n  href="nowhere.md">a</a>',
            'broken link "nowhere.md": docs/en/training/nowhere.md does not exist',
        ),
        (
            '<img alt="a" src="x.png">',
            'broken image "x.png": docs/en/training/x.png does not exist',
        ),
        (
            '<a href="other.md">a</a>',
            'link "other.md" stands in HTML, where MkDocs leaves addresses as they are: '
            "use Markdown",
        ),
        ("[a][b]", 'reference "b" is not defined on this page'),
        ("[a b][]", 'reference "a b" is not defined on this page'),
        (
            "[b]: nowhere.md\n\n[a][B]",
            'broken link "nowhere.md": docs/en/training/nowhere.md does not exist',
        ),
        ("Text[^1]: more", 'footnote "1" is not defined on this page'),
        ("![](../../assets/plot.webp)", 'image "../../assets/plot.webp" has no alternative text'),
        (
            "![][b]\n\n[b]: ../../assets/plot.webp",
            'image "../../assets/plot.webp" has no alternative text',
        ),
        (
            '``` cell name="sum"\nSee [a](nowhere.md).\n```',
            'broken link "nowhere.md": docs/en/training/nowhere.md does not exist',
        ),
        (
            '!!! note "N"\n\n    [a\n    b](nowhere.md)',
            'broken link "nowhere.md": docs/en/training/nowhere.md does not exist',
        ),
    ],
)
def test_links_images_and_references_that_do_not(docs: Path, text: str, reason: str) -> None:
    found = link_faults(docs, f"---\ndescription: d\n---\n# Here\n\n{text}\n")
    offset = {"!!!": 2, "```": 1}.get(text[:3], 0)
    assert found == [f"{6 + offset}: {reason}"]


@pytest.mark.parametrize("image", ["<img src='x.png'>", '<img src="x.png" alt=" ">'])
def test_image_in_html_without_alternative_text(docs: Path, image: str) -> None:
    assert '3: image "x.png" has no alternative text' in link_faults(docs, f"# Here\n\n{image}\n")


@pytest.mark.parametrize(
    "text",
    [
        "`[a](nowhere.md)` ``[`a`][b]``",
        "`code over\ntwo [a](nowhere.md) lines`",
        "``` python\n[a](nowhere.md)\n<img>\n```",
        "<!-- [a](nowhere.md)\n\n![](x) -->",
        "$a[i](j)$ and $$\nx[1][2]\n$$",
        r"\[a](nowhere.md) and !\[a\]\[b\]",
        "- [ ] open, [x] done; ![`code`](../../assets/plot.webp)",
        "<https://example.org>",
        '!!! note "N"\n\n    [a][b][^1]\n\n    [b]: other.md\n\n    [^1]: Note.',
    ],
)
def test_what_is_no_link(docs: Path, text: str) -> None:
    assert link_faults(docs, f"# Here\n\n{text}\n") == []


def test_a_fault_elsewhere_is_not_repeated_as_a_broken_anchor(docs: Path) -> None:
    write(docs / "terms.yml", "")
    empty = Terms(docs / "terms.yml", {})
    here = page(docs, "[a](../terms.md#kv-cache) [b](bad.md#x)\n")
    glossary = page(docs, "``` terms\n```\n", "terms")
    bad = Page(write(docs / "en/training/bad.md", "```"), "en", "training/bad", here.meta, [], 1)
    known = {p.path: p for p in (here, glossary, bad)}
    assert lines(links.check_links(here, known, docs, empty)) == []


def test_terms_are_rendered_with_anchors_in_both_languages(docs: Path) -> None:
    glossary = terms.read(docs / "terms.yml")
    rendered = {
        language: "\n".join(lists.terms(page(docs, "# T\n", "terms", language), glossary))
        for language in ("zh", "en")
    }
    assert (
        '<dt id="kv-cache" data-entry="">键值缓存 · <span lang="en">KV cache</span></dt>'
        in rendered["zh"]
    )
    assert (
        '<dt id="kv-cache" data-entry="">KV cache · <span lang="zh">键值缓存</span></dt>'
        in rendered["en"]
    )
    assert "<dd>Keys &amp; values.</dd>" in rendered["en"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("  en: token", "  en: Kv-cache", '5: term "Kv-cache" stands twice'),
        ("- zh: 词元", "- zh: 键值缓存", '4: term "键值缓存" stands twice'),
        ("  en: token\n", "", '4: an entry of terms has no "en"'),
        ("  en: token", "  en:", "5: en is no text"),
        ("en: A unit.", 'en: ""', "6: en is empty"),
        (
            "  en: token",
            "  en: token\n  defintion: x",
            '6: an entry of terms has an unknown key "defintion"; did you mean "definition"?',
        ),
        (
            "  en: token",
            "  en: token\n  aliases: {common: [Kv Cache]}",
            '6: alias "Kv Cache" is the name of the term "KV cache": leave it out',
        ),
        (
            "  en: token",
            "  en: token\n  aliases: {zh: [一, 一]}",
            '6: alias "一" of "token" is one of "token" too',
        ),
        (
            "  en: token",
            "  en: token\n  aliases: {fr: [x]}",
            '6: aliases has an unknown key "fr"',
        ),
        ("  en: token", "  en: token\n  aliases: {en: ['']}", "6: an entry of en is empty"),
        ("  en: token", "  en: token\n  en: x", '6: no YAML: "en" stands twice'),
        ("  en: token", "  en: [token", "6: no YAML: expected ',' or ']', but got ':'"),
        (TERMS, "terms: 1", "1: terms is no list"),
        (TERMS, "- token", "1: an entry of terms is no mapping with zh, en, definition"),
    ],
)
def test_malformed_terms(docs: Path, old: str, new: str, reason: str) -> None:
    path = write(docs / "terms.yml", TERMS.replace(old, new))
    with pytest.raises(Failures) as caught:
        terms.read(path)
    assert lines(caught.value.failures) == [reason]


def question(name: str, *more: str) -> str:
    return "".join(f"{line}\n" for line in (f"      - id: {name}", *more))


def corpus_of(tmp_path: Path, *questions: str) -> Path:
    head = "documents:\n  - id: A\n    title: {zh: 甲, en: A}\n    questions:\n"
    return write(tmp_path / "corpus.yml", head + "".join(questions))


TEXTS = ("        zh: 问？", "        en: Q?")


@pytest.mark.parametrize(
    ("questions", "reason"),
    [
        (question("A01", TEXTS[0]), '5: an entry of questions has no "en"'),
        (question("A01", *TEXTS) * 2, "8: question A01 stands twice"),
        (
            question("A01", *TEXTS, "        opne: true"),
            '8: an entry of questions has an unknown key "opne"; did you mean "open"?',
        ),
        (
            question("A01", *TEXTS, "        open: false"),
            "8: open may only be true or partly: leave it out otherwise",
        ),
        (
            question("A01", "        same_as: A02", "        open: true"),
            '7: an entry of questions has an unknown key "open"',
        ),
        (
            question("A01", *TEXTS) + question("A02", "        same_as: A03"),
            "9: question A02 repeats A03, which has no text of its own here",
        ),
        (
            question("A01", *TEXTS)
            + question("A02", "        same_as: A01")
            + question("A03", "        same_as: A02"),
            "11: question A03 repeats A02, which has no text of its own here",
        ),
        ("      A01\n", "4: questions is no list"),
    ],
)
def test_malformed_corpus(tmp_path: Path, questions: str, reason: str) -> None:
    with pytest.raises(Failures) as caught:
        corpus.read(corpus_of(tmp_path, questions))
    assert lines(caught.value.failures) == [reason]


def test_open_questions_are_marked_and_answered_ones_are_not(tmp_path: Path) -> None:
    is_open = "        open: true"
    path = corpus_of(
        tmp_path,
        question("A01", *TEXTS, is_open),
        question("A02", *TEXTS),
        question("A03", *TEXTS, is_open),
        question("A04", *TEXTS),
        question("A05", *TEXTS, "        open: partly"),
        question("A06", *TEXTS, "        open: partly"),
        question("A07", *TEXTS, "        theme: training"),
    )
    found = corpus.read(path)
    found.answers |= {f"A0{number}": ["training/sum"] for number in (3, 4, 5, 7)}
    assert lines(corpus.check_open(found)) == [
        '9: no page answers question A02: put it into the sources of one, or mark it "open: true"',
        '15: question A03 is answered by training/sum: remove "open", or mark it "open: partly"',
        '26: no page answers any part of question A06: mark it "open: true"',
        '27: question A07 is answered, where its pages say: remove "theme"',
    ]


def test_what_repeats_a_question_has_its_text_and_its_answer(tmp_path: Path) -> None:
    path = corpus_of(
        tmp_path,
        question("A01", "        same_as: A02"),
        question("A02", *TEXTS),
        question("A03", *TEXTS, "        open: partly", "        theme: serving"),
        question("A04", "        same_as: A03"),
    )
    found = corpus.read(path)
    found.answers |= {"A02": ["training/sum"], "A03": ["billing/sum"]}
    first, second, third, fourth = found.questions.values()
    assert first.text == second.text
    assert found.answers_to(first) == ["training/sum"]
    assert [[each.id for each in asked] for asked in found.distinct] == [
        ["A02", "A01"],
        ["A03", "A04"],
    ]
    assert found.answered == 2, "a partly answered one counts as open, and so does its repetition"
    assert [found.theme_of(each) for each in (first, third, fourth)] == [
        "training", "serving", "serving",
    ]  # fmt: skip


def code_faults(docs: Path, language: str, zh: str, en: str) -> list[str]:
    versions = {
        lang: page(docs, f"# T\n\n``` {language}\n{text}\n```\n", language=lang)
        for lang, text in (("zh", zh), ("en", en))
    }
    return lines(parity.check_pairs_of_languages({"training/sum": versions}, docs))


@pytest.mark.parametrize(
    ("language", "zh", "en"),
    [
        ("python", "x = '#1'  # 一\n# 二\ny = 2", "# One\n\nx = '#1'  # one\ny = 2  # two"),
        ("yaml", "a: 1 # 一", "a: 1 # one"),
        ("sql", "SELECT 1; -- 一", "SELECT 1; /* one\n */"),
        ("go", "a := 1 // 一", "a := 1 // one"),
        ("dockerfile", "# 一\nFROM a", "# one\nFROM a"),
        ("mermaid", "flowchart LR\n  A[甲]", "%% A\nflowchart TD\n  A[A]\n  B"),
    ],
)
def test_comments_and_diagrams_are_translated(docs: Path, language: str, zh: str, en: str) -> None:
    assert code_faults(docs, language, zh, en) == []


@pytest.mark.parametrize(
    ("language", "zh", "en", "reason"),
    [
        ("python", "x = 1\ny = 1", "# x\nx = 1\ny = 2", '6: code "y = 2" where zh has "y = 1"'),
        ("python", "x = '#1'", "x = '#2'", """4: code "x = '#2'" where zh has "x = '#1'\""""),
        ("python", "if x:\n    y\n    z", "if x:\n    y\nz", '6: code "z" where zh has "z"'),
        ("yaml", "a: 1\nb: 2", "a: 1 # b", '5: code "nothing" where zh has "b: 2"'),
        ("c", "#include <a>", "#include <b>", '4: code "#include <b>" where zh has "#include <a>"'),
        (
            "sql",
            '--8<-- "a.sql:x"',
            '--8<-- "a.sql:y"',
            '4: code "--8<-- "a.sql:y"" where zh has "--8<-- "a.sql:x""',
        ),
        ("nonsense", "a # 一", "a # one", '4: code "a # one" where zh has "a # 一"'),
        (
            "mermaid",
            "flowchart LR",
            "sequenceDiagram",
            '4: diagram "sequenceDiagram" where zh has "flowchart"',
        ),
    ],
)
def test_code_that_differs_between_languages(
    docs: Path, language: str, zh: str, en: str, reason: str
) -> None:
    assert code_faults(docs, language, zh, en) == [reason]


def test_code_that_is_folded_in_one_language_only(docs: Path) -> None:
    text = "# T\n\n``` python{}\nx = 1\n```\n"
    versions = {
        "zh": page(docs, text.format(" open"), language="zh"),
        "en": page(docs, text.format("")),
    }
    found = parity.check_pairs_of_languages({"training/sum": versions}, docs)
    assert lines(found) == ['3: fence "python" where zh has "python open"']


def test_a_value_that_is_no_scalar(docs: Path) -> None:
    asked = page(docs, "{{ total }} {{ rows }}\n{{ frame:.2f }} {{ x }}\n")
    kinds = {"rows": "list", "frame": "OrderedDict"}
    assert lines(checks.check_values(asked, {"total": 2}, "sum.py", kinds)) == [
        '1: value "rows" is a list, not a scalar: name one of its numbers in the notebook',
        '2: value "frame" is an OrderedDict, not a scalar: name one of its numbers in the notebook',
        '2: value "x" is no final scalar variable of sum.py',
    ]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (
            "descripton: d",
            '2: the front matter has an unknown key "descripton"; did you mean "description"?',
        ),
        ("title: 1", "2: title is no text"),
        ("description: d\nhide: toc", "3: hide is no list"),
        (
            "search:\n  bost: 1",
            '3: search has an unknown key "bost"; did you mean "boost"?',
        ),
        (
            "title: t\nsources: [A01]",
            "3: has sources and no description, which search engines and link previews show",
        ),
        ("description: ''\nsources: [A01]", "2: description is empty"),
        ("level: easy", '2: no level "easy": it is one of introductory, intermediate, advanced'),
        ("tags: decode", "2: tags is no list"),
        (
            "level: advanced\ntags: [token, KV cach]",
            '3: tag "KV cach" is no term of terms.yml; did you mean "KV cache"?',
        ),
    ],
)
def test_bad_header(docs: Path, header: str, reason: str) -> None:
    read = page(docs, f"---\n{header}\n---\n# T\n")
    assert lines(checks.check_header(read, terms.read(docs / "terms.yml"))) == [reason]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("title: t\nsources: A01", "3: sources is no list"),
        ("sources: [A01, 2]", "2: an entry of sources is no text"),
        ("title: t\ntitle: t", '3: front matter is no YAML: "title" stands twice'),
        ("title: [t", "2: front matter is no YAML: expected ',' or ']', but got '<stream end>'"),
        ("title: {{ x }}", "2: front matter is no YAML: a key is no text"),
        ("- title", "1: front matter is no mapping of names to values"),
    ],
)
def test_header_that_cannot_be_read(docs: Path, header: str, reason: str) -> None:
    with pytest.raises(Failures) as caught:
        page(docs, f"---\n{header}\n---\n# T\n")
    assert lines(caught.value.failures) == [reason]


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ('cell nmae="sum"', 'fence "cell" has no option "nmae"; it takes name, does, open'),
        ('mermaid title="x"', 'fence "mermaid" has no option "title"; it takes none'),
        ('terms name="x"', 'fence "terms" has no option "name"; it takes none'),
        (
            'python schema="x"',
            'fence "python" has no option "schema"; '
            "it takes raises, reason, does, open, title, linenums, hl_lines",
        ),
        (
            'go raises="x"',
            'fence "go" has no option "raises"; '
            "it takes reason, does, open, title, linenums, hl_lines",
        ),
    ],
)
def test_unknown_option_of_a_fence(docs: Path, header: str, reason: str) -> None:
    found = checks.check_fences(page(docs, f"# T\n\n``` {header}\n--8<-- 'x'\n```\n"), NOWHERE)
    assert lines(found) == [f"3: {reason}"]


def test_options_for_the_checks_do_not_reach_the_highlighter(docs: Path) -> None:
    text = '# T\n\n  ``` python title="a" raises="E" hl_lines="1"\n  x = "raises"\n  ```\n'
    rendered = render(page(docs, text), Content({}))
    assert rendered == text.replace(' raises="E"', "").splitlines()


def test_names_far_from_all_get_no_suggestion() -> None:
    assert forms.nearest("abc", ["xyz"]) == ""
