"""Nothing of the checkout reaches a page but a notebook's file, by a fence that names it."""

from __future__ import annotations

import pytest

from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"
PAGES = ("docs/zh/training/sum.md", "docs/en/training/sum.md")
SECRET = "a-token-of-the-builder"
HEADER = """\
# ---
# jupyter:
#   qa:
#     unchecked:
#       data.json: an example
# ---

"""
FORMS = (
    '--8<-- "{}"',
    "-8<- '{}'",
    '-----8<----- "{}"',
    "--8<--\n{}\n--8<--",
    ';--8<-- "{}"',
    '    --8<-- "{}"',
    '\t--8<-- "{}"',
    '- item\n\n    --8<-- "{}"',
    '> --8<-- "{}"',
    '!!! note "N"\n\n    --8<-- "{}"',
    '<div markdown="1">\n--8<-- "{}"\n</div>',
    '<!--\n--8<-- "{}"\n-->',
    '``` python\nx = 1\n--8<-- "{}"\n```',
    '``` text reason="an example"\n--8<-- "{}"\n```',
    '``` text reason="an example"\nx\n--8<-- "{}"\n```',
    '``` python\n--8<-- "{}"\n```',
    '``` python\n--8<-- "{}:1:3"\n```',
    '``` python\n--8<-- "notebooks/training/sum/../../../{}"\n```',
    '``` python\n--8<-- "./{}"\n```',
    "``` python\n--8<-- '{}'\n```",
    "``` python\n--8<--\n{}\n--8<--\n```",
    '``` python\n--8<-- "notebooks/training/sum/data.json"\n--8<-- "{}"\n```',
)


@pytest.fixture
def snippets(sample: SampleProject) -> SampleProject:
    """A project that has the extension on, which would include whatever is asked of it."""
    options = '{base_path: [".", "/"], restrict_base_path: false, url_download: true}'
    fences = "{pymdownx.superfences: {preserve_tabs: true}}"
    extension = f"{fences}, {{pymdownx.snippets: {options}}}]"
    sample.replace("mkdocs.yml", "pymdownx.superfences]", extension)
    sample.write(".git/config", f"[remote]\nurl = https://{SECRET}@example.com\n")
    sample.write("notebooks/training/sum/data.json", "{}\n")
    return sample


@pytest.mark.parametrize("form", FORMS)
def test_no_form_includes_a_file_of_the_checkout(snippets: SampleProject, form: str) -> None:
    for page in PAGES:
        path = snippets.path(page)
        text = path.read_text() + "\n" + form.format(".git/config") + "\n\nLast.\n"
        path.write_text(text)
    done = snippets.build()
    html = "".join(path.read_text() for path in snippets.path("site").rglob("*.html"))
    assert SECRET not in html + done.stdout + done.stderr
    if "<!--" not in form:  # a comment is shown to nobody
        assert done.returncode == 1
        lines = [line for line in done.stderr.splitlines() if line.startswith(PAGES)]
        assert {line.partition(":")[0] for line in lines} == set(PAGES), done.stderr


@pytest.mark.parametrize(
    "text", ['--8<-- ".git/config"', "--8<--\n.git/config\n--8<--", '\t--8<-- ".git/config"']
)
def test_neither_a_file_nor_a_cell_nor_a_run_includes_another(
    snippets: SampleProject, text: str
) -> None:
    file = "notebooks/training/sum/data.json"
    snippets.write(file, f'{{"a": 1}}\n{text}\n')
    code = f"note = '''\n{text}\n'''\nlie = {text!r}\nprint({text!r})\n"
    notebook = snippets.path(NOTEBOOK).read_text().replace("import numpy", code + "import numpy")
    snippets.write(NOTEBOOK, HEADER + notebook)
    for page in PAGES:
        fence = f'\n``` json\n--8<-- "{file}"\n```\n'
        snippets.replace(page, " {{ total }}\n", " {{ total }} {{ lie }}\n")
        snippets.path(page).write_text(snippets.path(page).read_text() + fence)
    snippets.sync()
    done = snippets.build()
    assert done.returncode == 0, done.stderr
    for page in ("training/sum/index.html", "en/training/sum/index.html"):
        html = snippets.path(f"site/{page}").read_text()
        assert SECRET not in html
        assert html.count(".git/config") >= 4


def test_an_included_file_ends_no_fence(snippets: SampleProject) -> None:
    file = "notebooks/training/sum/data.json"
    snippets.write(file, "```\n<script>steal()</script>\n````\n~~~\n")
    snippets.write(NOTEBOOK, HEADER + snippets.path(NOTEBOOK).read_text())
    for page in PAGES:
        fence = f'\n``` text\n--8<-- "{file}"\n```\n'
        snippets.path(page).write_text(snippets.path(page).read_text() + fence)
    snippets.sync()
    done = snippets.build()
    assert done.returncode == 0, done.stderr
    html = snippets.path("site/training/sum/index.html").read_text()
    assert "<script>steal" not in html
    assert "steal" in html
