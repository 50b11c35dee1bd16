"""Facts on a built site: on pages, in the Markdown of pages, and in the list of all."""

from __future__ import annotations

from tests.project import SampleProject
from tests.test_facts import FACTS

PAGE = "docs/{}/training/sum.md"


def test_a_site_with_facts(sample: SampleProject) -> None:
    sample.write("docs/facts.yml", FACTS)
    sample.replace(
        "notebooks/training/sum.py", "import numpy", "from facts import fact\nimport numpy"
    )
    sample.replace("notebooks/training/sum.py", "share = total / 3", 'share = fact("engine.share")')
    for language in ("zh", "en"):
        sample.replace(PAGE.format(language), "{{ share:.1%}}", "{{ facts.chip.memory_gb }} GB")
        sample.write(f"docs/{language}/all.md", "# T\n\n``` facts\n```\n")
    sample.sync()
    done = sample.build()
    assert done.returncode == 0, done.stderr
    site = sample.root / "site"
    article = (site / "en/training/sum/index.html").read_text(encoding="utf-8")
    assert 'href="#fact-chip-memory_gb">80</a> GB' in article
    assert 'class="qa-sourced">\n<summary>Facts on this page that change (2)</summary>' in article
    assert '<span id="fact-engine-share">share: 0.92</span>' in article
    assert "memory: 80 GB (as of 2026-01-31" in (site / "en/training/sum.md").read_text("utf-8")
    listed = (site / "all/index.html").read_text(encoding="utf-8")
    assert '<span id="engine"' in listed and 'href="../training/sum/"' in listed
    sample.replace("docs/facts.yml", "value: 700", "value: 701")
    assert "Examples: 1, of which 0 ran now" in sample.build().stderr
    sample.replace("docs/facts.yml", "value: 0.92", "value: 0.91")
    assert "Examples: 1, of which 1 ran now" in sample.build().stderr


def test_a_file_that_is_none_fails_at_its_line(sample: SampleProject) -> None:
    sample.write("docs/facts.yml", FACTS.replace("value: 700", "valu: 700"))
    done = sample.build()
    assert done.returncode == 1
    assert 'docs/facts.yml:9: power_w has no "value"' in done.stderr
