"""A small real project: one page in two languages, one notebook, two questions."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from qa.run import notebook as notebooks
from tests import mkdocs_build

ROOT = Path(__file__).parent.parent

MKDOCS = f"""\
site_name: Sample
strict: true
hooks: [{ROOT}/hooks/main.py]
exclude_docs: /corpus.yml
theme: {{name: material, font: false}}
plugins:
  - search
  - i18n:
      docs_structure: folder
      reconfigure_material: true
      languages:
        - {{locale: zh, name: 中文, default: true}}
        - {{locale: en, name: English}}
validation: {{links: {{anchors: warn}}}}
markdown_extensions:
  [admonition, attr_list, md_in_html, tables, pymdownx.details, pymdownx.superfences]
"""

CORPUS = """\
documents:
  - id: A
    title: {zh: 文档, en: Document}
    questions:
      - id: A01
        zh: 一加一等于几？
        en: How much is one and one?
      - id: A02
        zh: 还没有回答的问题？
        en: Which question is open?
        open: true
"""

NOTEBOOK = """\
# %% [markdown]
# # 求和 · Sums

# %% name="sum"
import numpy as np

total = int(np.array([1, 1]).sum())
assert total == 2, total
print("total", total)

# %% name="figure"
import matplotlib.pyplot as plt

fig, ax = plt.subplots()
ax.plot([0, 1], [0, total])
ax.set(xlabel="time (s)", ylabel="total (1)")
plt.show()

# %% name="table"
import pandas as pd

share = total / 3
pd.DataFrame({"total": [total], "share": [share]}).round(2)
"""

PAGE = """\
---
description: {description}
sources: [A01]
{labels}---
# {title}

!!! abstract "{lead}"

    - {caption} 2
    - {caption} 2
    - {caption} 2

## {ask} {{ #ask-first }}

## {answer} {{ #answer }}

## {trade} {{ #trade-offs }}

## {do} {{ #do-this }}

## {run} {{ #run }}

### {finding} {{ #finding }}

``` cell name="sum" does="{does}"
{caption} {{{{ total }}}}
```

{share} {{{{ share:.1%}}}}

``` cell name="figure" does="{does}"
{caption}
```

``` cell name="table" open
{caption}
```

## {mistakes} {{ #mistakes }}

## {limits} {{ #limits }}

## {follow} {{ #follow-ups }}

## {references} {{ #references }}

### {end} {{ #end }}
"""

WORDS = {
    "zh": {
        "title": "一加一等于几？",
        "description": "求和",
        "lead": "30 秒回答",
        "ask": "先问清楚",
        "answer": "要点",
        "trade": "取舍",
        "do": "照做",
        "run": "跑一遍",
        "finding": "两个一是二",
        "does": "求和",
        "caption": "总和是",
        "share": "占",
        "mistakes": "常见错误",
        "limits": "什么时候结论会变",
        "follow": "追问",
        "references": "参考",
        "end": "结尾",
        "labels": "labels: {time (s): 时间 (s), total (1): 总和 (1), total: 总和, share: 占比}\n",
    },
    "en": {
        "title": "How much is it?",
        "description": "Sums",
        "lead": "The answer in 30 seconds",
        "ask": "Ask first",
        "answer": "The answer",
        "trade": "Trade-offs",
        "do": "Do this",
        "run": "Run it",
        "finding": "Two ones are two",
        "does": "adds up",
        "caption": "The total is",
        "share": "A share of",
        "mistakes": "Common mistakes",
        "limits": "When the answer changes",
        "follow": "Follow-up questions",
        "references": "References",
        "end": "End",
        "labels": "# The labels of the run are English.\n",
    },
}

HOME = """\
# {title}

{{{{ examples }}}} / {{{{ questions_answered }}}}

[A](questions.md)
"""

QUESTIONS = """\
# {end}

``` questions document="A"
```
"""


@dataclass
class SampleProject:
    root: Path

    def path(self, name: str) -> Path:
        return self.root / name

    def copy_to(self, root: Path) -> SampleProject:
        shutil.copytree(self.root, root)
        return SampleProject(root)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> int:
        """Replace the one occurrence of `old`; returns its line."""
        text = self.path(name).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {name}"
        self.path(name).write_text(text.replace(old, new), encoding="utf-8")
        return text[: text.index(old)].count("\n") + 1

    def sync(self) -> None:
        for path in notebooks.find(self.root / "notebooks"):
            notebooks.write_pair(notebooks.read(path))

    def start_build(self, *flags: str) -> subprocess.Popen[str]:
        return mkdocs_build.start(self.root, *flags)

    def build(self, *flags: str) -> subprocess.CompletedProcess[str]:
        return mkdocs_build.build(self.root, *flags)


def make(root: Path) -> SampleProject:
    project = SampleProject(root)
    project.write("mkdocs.yml", MKDOCS)
    project.write("docs/corpus.yml", CORPUS)
    project.write("notebooks/training/sum.py", NOTEBOOK)
    for language, words in WORDS.items():
        project.write(f"docs/{language}/training/sum.md", PAGE.format(**words))
        project.write(f"docs/{language}/index.md", HOME.format(**words))
        project.write(f"docs/{language}/questions.md", QUESTIONS.format(**words))
    project.sync()
    return project
