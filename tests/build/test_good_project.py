"""What a build of a project without fault puts into the site."""

import json
import re

from tests.project import SampleProject


def test_the_page_shows_code_output_figure_table_and_values(built: SampleProject) -> None:
    for language, folder in (("zh", ""), ("en", "en/")):
        html = (built.root / "site" / folder / "training/sum/index.html").read_text()
        assert "total 2" in html, "the printed output"
        assert "66.7%" in html, "the value in the prose"
        assert "{{" not in html
        assert re.search(r"<td>0\.67</td>", html), "the table"
        to_root = "../../" if language == "zh" else "../../../"
        for scheme in ("light", "dark"):
            source = f"{to_root}runs/training/sum/figure-1-{language}-{scheme}.svg"
            assert f'src="{source}#only-{scheme}" alt="' in html
            name = f"figure-1-{language}-{scheme}.svg"
            assert (built.root / "site/runs/training/sum" / name).exists()


def test_the_run_is_described_with_versions_and_a_download(built: SampleProject) -> None:
    html = (built.root / "site/en/training/sum/index.html").read_text()
    aside = html[html.index('<aside class="qa-run"') : html.index("</aside>")]
    for part in (
        r"Ran on 20\d\d-",
        r"Python 3\.",
        r"numpy \d",
        r"\d s of processor time",
        r" \d+ MiB",
    ):
        assert re.search(part, aside), part
    assert 'href="../../../runs/training/sum/sum.ipynb"' in aside


def test_the_downloaded_notebook_holds_the_outputs(built: SampleProject) -> None:
    path = built.root / "site/runs/training/sum/sum.ipynb"
    cells = [cell for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    assert cells[0]["outputs"][0]["text"] in ("total 2\n", ["total 2\n"])
    assert [cell["execution_count"] for cell in cells] == [1, 2, 3]


def test_figures_and_tables_speak_the_language_of_the_page(built: SampleProject) -> None:
    site, english, chinese = built.root / "site", [], []
    for language, folder in (("zh", ""), ("en", "en/")):
        shown = (site / folder / "training/sum/index.html").read_text()
        svg = (site / f"runs/training/sum/figure-1-{language}-dark.svg").read_text()
        english.append(["<th>share</th>" in shown, ">time (s)</text>" in svg])
        chinese.append(["<th>占比</th>" in shown, ">时间 (s)</text>" in svg])
    assert english == [[False, False], [True, True]]
    assert chinese == [[True, True], [False, False]]


def test_light_and_dark_figures_differ_only_in_the_colour_of_text(built: SampleProject) -> None:
    folder = built.root / "site/runs/training/sum"
    light, dark = (folder / f"figure-1-en-{scheme}.svg" for scheme in ("light", "dark"))
    assert "#212121" in light.read_text()
    assert light.read_text().replace("#212121", "#e2e4e9") == dark.read_text()


def test_the_home_page_counts_examples_and_questions(built: SampleProject) -> None:
    for folder in ("", "en/"):
        assert "<p>1 / 1</p>" in (built.root / "site" / folder / "index.html").read_text()


def test_a_document_lists_answered_and_open_questions(built: SampleProject) -> None:
    html = (built.root / "site/en/questions/index.html").read_text()
    assert '<td><a href="../training/sum/">How much is it?</a></td>' in html
    assert "<em>not answered yet</em>" in html
    assert (
        '<a href="../training/sum/">一加一等于几？</a>'
        in (built.root / "site/questions/index.html").read_text()
    )


def test_the_language_switch_leads_to_the_same_page(built: SampleProject) -> None:
    html = (built.root / "site/training/sum/index.html").read_text()
    assert re.search(r'href="[^"]*en/training/sum/"[^>]*hreflang="en"', html)
    html = (built.root / "site/en/training/sum/index.html").read_text()
    assert re.search(r'href="(?:\.\./){3}training/sum/"[^>]*hreflang="zh"', html)


def test_no_page_names_another_host_for_a_resource(built: SampleProject) -> None:
    for path in (built.root / "site").rglob("*.html"):
        loads = r'<(?:script|img|link|iframe)\b[^>]*?(?:src|href)="(https?://[^"]*)"'
        assert not re.findall(loads, path.read_text()), path
