"""Mutants speak of what stands on their page, and each experiment has one."""

from __future__ import annotations

from pathlib import Path

from qa.check.mutants import check
from qa.pages import page as pages
from qa.run.mutants import Mutant

PAGE = """\
# T

## Run it { #run }

### Sums hold { #sums }

``` cell name="one"
One.
```

#### In detail { #detail }

``` cell name="two"
Two.
```

### Limits hold { #limits-hold }

``` cell name="three"
Three.
```

## After { #after }

### No experiment { #none }
"""


def found(folder: Path, *aims: tuple[str, str]) -> list[str]:
    """Of mutants with these anchors and cells."""
    path = folder / "docs/en/training/sum.md"
    path.parent.mkdir(parents=True)
    path.write_text(PAGE)
    page = pages.read(path, "en", "training/sum")
    planted = [Mutant(folder / "m.toml", 7, "a", "b", "it adds", *aim) for aim in aims]
    return [f"{failure.line} {failure.code}" for failure in check(planted, page)]


def test_each_experiment_has_one_by_its_cell_or_its_anchor(tmp_path: Path) -> None:
    assert found(tmp_path, ("cell-one", "two"), ("limits-hold", "one")) == []


def test_an_experiment_without_one(tmp_path: Path) -> None:
    assert found(tmp_path, ("run", "two")) == ["17 experiment-without-mutant"]


def test_an_anchor_that_is_not_there(tmp_path: Path) -> None:
    assert found(tmp_path, ("sum", "one"), ("cell-four", "three")) == ["7 mutant", "7 mutant"]


def test_a_page_whose_notebook_has_none(tmp_path: Path) -> None:
    assert found(tmp_path) == []
