"""What programs read of a site: each page as Markdown, and a list of the pages."""

from __future__ import annotations

import posixpath
import re

import pytest

from tests.project import SampleProject


@pytest.mark.parametrize(
    ("root", "caption", "head"),
    [("", "总和是", "总和 | 占比"), ("en/", "The total is", "total | share")],
)
def test_a_page_is_there_as_markdown_with_all_that_it_shows(
    built: SampleProject, root: str, caption: str, head: str
) -> None:
    site = built.root / "site"
    file = f"{root}training/sum.md"
    text = (site / file).read_text(encoding="utf-8")
    assert "total = int(np.array([1, 1]).sum())" in text, "the code"
    assert "``` text\ntotal 2\n```" in text, "the printed output"
    assert f"{caption} 2" in text, "the caption with its number"
    assert "66.7%" in text, "the value in the prose"
    assert f"|  | {head} |\n| --- | --- | --- |\n| 0 | 2 | 0.67 |" in text, "the table"
    (figure,) = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert (site / posixpath.dirname(file) / figure).resolve().exists(), "its figure"
    assert not re.search(r"\{\{|\{ #|<div|^``` (?:cell|questions)", text, re.MULTILINE)


@pytest.mark.parametrize("root", ["", "en/"])
def test_each_page_leads_to_its_markdown(built: SampleProject, root: str) -> None:
    html = (built.root / "site" / root / "training/sum/index.html").read_text(encoding="utf-8")
    assert '<link rel="alternate " type="text/markdown" href="../sum.md">' in html
    home = (built.root / "site" / root / "index.html").read_text(encoding="utf-8")
    assert '<link rel="alternate " type="text/markdown" href="index.md">' in home


def test_the_list_names_each_page_with_its_description(built: SampleProject) -> None:
    for root, other in (("", "en/"), ("en/", "../")):
        text = (built.root / "site" / root / "llms.txt").read_text(encoding="utf-8")
        assert text.startswith("# ")
        assert "## training\n" in text and "## Optional\n" in text
        links = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)(?:: (.+))?$", text, re.MULTILINE)
        assert dict(links)["training/sum.md"] in ("求和", "Sums")
        assert f"{other}llms.txt" in dict(links)
        for target in dict(links):
            assert (built.root / "site" / root / target).exists(), target
