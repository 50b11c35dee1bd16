"""No file takes the address of another, or of one that the build makes."""

from __future__ import annotations

import pytest

from tests import mkdocs_build
from tests.project import SampleProject


@pytest.mark.parametrize(
    ("names", "address"),
    [
        (["training/sum/index.md"], "training/sum/index.html"),
        (["runs/training/sum/sum.md"], "runs/training/sum/sum/index.html"),
        (["downloads/x.md"], "downloads/x/index.html"),
        (["search/x.md"], "search/x/index.html"),
        (["en/training/sum.md"], "en/training/sum/index.html"),
        (["en/en/x.md", "en/x.md"], None),
    ],
)
def test_pages(sample: SampleProject, names: list[str], address: str | None) -> None:
    for name in names:
        for language in ("zh", "en"):
            sample.write(f"docs/{language}/{name}", "# X\n")
    done = sample.build("-q")
    if address:
        assert done.returncode == 1
        assert (
            f"docs/zh/{names[0]}:1: " in done.stderr or "docs/en/training/sum.md:1" in done.stderr
        )
        assert address in done.stderr


@pytest.mark.parametrize(
    "name",
    [
        "runs/training/sum/figure-1-zh-light.svg",
        "zh/runs/training/sum/figure-1-zh-light.svg",
        "en/runs/x.svg",
        "downloads/x.svg",
        "zh/downloads/x.svg",
        "Search/x.svg",
    ],
)
def test_pictures(sample: SampleProject, name: str) -> None:
    sample.write(f"docs/{name}", "<svg xmlns='http://www.w3.org/2000/svg'/>")
    done = sample.build("-q")
    assert mkdocs_build.codes(done) == [f"docs/{name}:1 address"]


def test_names_in_files_of_settings(sample: SampleProject) -> None:
    bad = 'a"><script>'
    text = sample.path("docs/corpus.yml").read_text()
    sample.write("docs/corpus.yml", text.replace("id: A02", f"id: '{bad}'"))
    sample.write("docs/changes.yml", f"- {{date: '2026-01-01', id: '{bad}', zh: 改, en: C}}\n")
    sample.write("docs/terms.yml", "- {zh: 词, en: '！', definition: {zh: 义, en: D}}\n")
    line = sample.replace("docs/en/training/sum.md", "{ #end }", "{ #énd }")
    done = sample.build("-q")
    assert done.returncode == 1
    for place in ("corpus.yml:8", "changes.yml:1", "terms.yml:1", f"en/training/sum.md:{line}"):
        assert f"docs/{place}: " in done.stderr
