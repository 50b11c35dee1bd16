"""Links, terms and options of fences in a real build: what passes here passes MkDocs too."""

from __future__ import annotations

import pytest

from tests import mkdocs_build
from tests.build.test_failures import EN, ZH, failures
from tests.project import SampleProject

TERMS = """\
- zh: 总和
  en: sum total
  definition: {zh: 加起来的数。, en: What adding gives.}
"""


def test_good_links_pass_both_our_checks_and_those_of_mkdocs(sample: SampleProject) -> None:
    sample.write("docs/terms.yml", TERMS)
    sample.write("docs/assets/shared.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    sample.write("docs/zh/training/once.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    more = [
        "[home](../index.md#sums)",
        "[a term](../terms.md#sum-total), [a cell](#cell-sum), [a section](sum.md#run)",
        "![once](once.svg) ![shared](../../assets/shared.svg) [by reference][home]",
        '``` python title="a.py" raises="ValueError"\n--8<-- "notebooks/training/sum.py"\n```',
        "[home]: ../index.md",
    ]
    for page, language in ((ZH, "zh"), (EN, "en")):
        sample.replace(page, "{ #end }", "\n\n".join(["{ #end }", *more]))
        sample.write(f"docs/{language}/terms.md", "# T { #t }\n\n``` terms\n```\n")
        home = sample.path(f"docs/{language}/index.md")
        sample.write(f"docs/{language}/index.md", home.read_text() + "\n## Sums\n")
    done = sample.build()
    assert done.returncode == 0, done.stderr
    assert '<dt id="sum-total" ' in (sample.root / "site/terms/index.html").read_text()
    html = (sample.root / "site/en/training/sum/index.html").read_text()
    for part in ('href="../../#sums"', 'href="../../terms/#sum-total"', 'alt="once"'):
        assert part in html
    assert '<span class="filename">a.py</span>' in html
    assert "ValueError" not in html


def test_faults_of_pages_stop_the_build_before_anything_is_rendered(sample: SampleProject) -> None:
    sample.write("docs/terms.yml", TERMS)
    expected = []
    for page, language in ((ZH, "zh"), (EN, "en")):
        sample.write(f"docs/{language}/terms.md", "# T { #t }\n\n``` terms\n```\n")
        line = sample.replace(
            page,
            "{ #end }",
            "{ #end }\n\n[x](nowhere.md) [x](#lost) [x](../terms.md#sum-totl)\n![](y.png)",
        )
        header = sample.replace(page, "sources: [A01]", "sources: [A01, A02]\nstat: new") + 1
        expected += [
            f'{page}:{header}: the front matter has an unknown key "stat"; did you mean "status"?',
            f'{page}:{line + 3}: broken anchor "#lost": {page} has no #lost',
            f'{page}:{line + 3}: broken link "nowhere.md": '
            f"docs/{language}/training/nowhere.md does not exist",
            f'{page}:{line + 3}: no term "sum-totl" in terms.yml; did you mean "sum-total"?',
            f'{page}:{line + 4}: broken image "y.png": docs/{language}/training/y.png '
            "does not exist",
            f'{page}:{line + 4}: image "y.png" has no alternative text',
        ]
    opened = sample.path("docs/corpus.yml").read_text().splitlines().index("        open: true") + 1
    expected.append(
        f"docs/corpus.yml:{opened}: question A02 is answered by training/sum: "
        'remove "open", or mark it "open: partly"'
    )
    assert sorted(failures(sample)) == sorted(expected)
    assert "WARNING" not in sample.build().stderr


def test_one_page_is_built_whatever_is_wrong_with_others(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample.write("docs/zh/training/half.md", "# 只有中文 { #half }\n\n[x](nowhere.md)\n")
    assert sample.build().returncode == 1
    monkeypatch.setenv("QA_PAGE", "training/sum")
    done = sample.build()
    assert done.returncode == 0, done.stderr
    pages = {path.parent.name for path in (sample.root / "site/training").rglob("index.html")}
    assert pages == {"sum"}


def test_one_page_is_that_page_and_none_that_begins_alike(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = '# %% name="more"\nassert 1 == 2\n\n# %% name="sum"\n'
    for name in ("sum-more", "sums", "su", "m"):
        sample.write(f"notebooks/training/{name}.py", broken)
        for language in ("zh", "en"):
            sample.write(f"docs/{language}/training/{name}.md", "# X\n\n{{ nothing }}\n")
    for folder in ("training/sum", "sum/training", "more/training/sum"):
        sample.write(f"docs/zh/{folder}/sum.md", "# X\n\n{{ nothing }}\n")
    monkeypatch.setenv("QA_PAGE", "training/sum")
    done = sample.build()
    assert done.returncode == 0, done.stderr
    assert "Examples: 1, of which 0 ran now" in done.stderr
    line = sample.replace("docs/en/training/sum.md", "{{ total }}", "{{ totl }}")
    done = sample.build()
    lines = mkdocs_build.failures(done)
    reason = 'value "totl" is no final scalar variable of sum.py'
    assert f"docs/en/training/sum.md:{line}: {reason}" in "\n".join(lines)
    assert all(
        each.startswith(("docs/en/training/sum.md", "docs/zh/training/sum.md")) for each in lines
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("notebooks/training/helper.py", "x ="),
        ("notebooks/training/sum/helper.py", "x ="),
        ("notebooks/training/sum/data.json", "{"),
    ],
)
def test_the_page_that_is_served_hides_no_fault_of_what_it_uses(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    sample.replace("notebooks/training/sum.py", "import numpy", "import helper\nimport numpy")
    sample.write("notebooks/training/helper.py", "x = 1\n")
    sample.sync()
    sample.write(name, text)
    monkeypatch.setenv("QA_PAGE", "training/sum")
    done = sample.build()
    assert done.returncode == 1
    assert f"{name}:1: " in done.stderr


def test_a_page_without_a_notebook_can_be_served(
    sample: SampleProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QA_PAGE", "questions")
    done = sample.build()
    assert done.returncode == 0, done.stderr
