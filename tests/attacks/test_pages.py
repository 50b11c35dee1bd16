"""What hostile code prints, shows or returns reaches a page as text and nothing else."""

from tests.project import SampleProject

NOTEBOOK = "notebooks/training/sum.py"
HOSTILE = '''
lie = "<img src=x onerror=steal()> [x](javascript:steal()) `{{ total }}`"
print("```\\n<script>steal()</script>\\n</code></pre></div><script>steal()</script>")
print('--8<-- "secret.txt"')
print("``` cell name=\\"sum\\"\\n```")
note = """
```
<script>steal()</script>
--8<-- "secret.txt"
"""
'''


def test_output_source_and_values_stay_text(sample: SampleProject) -> None:
    sample.write("secret.txt", "a-token-of-the-builder\n")
    text = sample.path("mkdocs.yml").read_text()
    snippets = "pymdownx.superfences, pymdownx.snippets]"
    sample.write("mkdocs.yml", text.replace("pymdownx.superfences]", snippets))
    sample.replace(NOTEBOOK, 'print("total", total)', HOSTILE)
    for page in ("docs/zh/training/sum.md", "docs/en/training/sum.md"):
        sample.replace(page, " {{ total }}\n", " {{ total }} {{ lie }}\n")
    sample.sync()
    done = sample.build()
    assert done.returncode == 0, done.stderr
    for page in ("training/sum/index.html", "en/training/sum/index.html"):
        html = sample.path(f"site/{page}").read_text()
        for bad in ("<script>steal", "<img src=x", 'href="javascript', "a-token-of-the-builder"):
            assert bad not in html, bad
        assert "&lt;script&gt;steal()&lt;/script&gt;" in html
        assert "[x](javascript:steal())" in html.replace("&#91;", "[").replace(
            "&#93;", "]"
        ).replace("&#40;", "(").replace("&#41;", ")")
