"""Faults that are planted all over a notebook: what they are, and what is left alone."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import Path

import pytest

from qa.run import faults
from qa.run import notebook as notebooks

END = '\n\n# %% name="end"\nassert x\n'


def planted(folder: Path, source: str, **modules: str) -> list[faults.Planted]:
    return list(faults.faults(book(folder, source, **modules)))


def book(folder: Path, source: str, **modules: str) -> notebooks.Notebook:
    path = folder / "notebooks/training/sum.py"
    path.parent.mkdir(parents=True)
    path.write_text(f'# %% name="c"\n{source}{END}')
    for name, text in modules.items():
        path.with_name(f"{name}.py").write_text(text)
    return notebooks.read(path)


CHANGES = [
    ("x = a < b", "x = (a >= b)"),
    ("x = a is None", "x = (a is not None)"),
    ("x = not a", "x = (a)"),
    ("x = -a", "x = (a)"),
    ("x = True", "x = False"),
    ("x = a and b", "x = ((a) or (b))"),
    ("x = 0", "x = 1"),
    ("x = 1.5", "x = 3.0"),
    ("x = min(a)", "x = max(a)"),
    ("x = a.argmax()", "x = (a).argmin()"),
    ("x.append(y)\nz", "pass\nz"),
    ("await x(y)\nz", "pass\nz"),
    ("x += y", "pass"),
    ("x = a\nx = f(x)", "x = a\npass"),
    ("x = a\nfor b in c:\n    x = b", "x = a\nfor b in c:\n    pass"),
    ("a, b = f()", "a, b = f(); b = a"),
    ("x = f(a)\ny = f(b)", "x = f(a)\ny = f(b); y = x"),
    ("x = a.mean()\ny = b.mean()", "x = a.mean()\ny = b.mean(); y = x"),
    ("if x:\n    y", "if (not (x)):\n    y"),
    ("x = (a\n     + b)", "x = (((a) - (b)))\n"),
    ("x = '大', a < b", "x = '大', (a >= b)"),
    ("def f(a=1):\n    pass\nf()", "def f(a=2):\n    pass\nf()"),
    ("try:\n    x\nexcept OSError:\n    x = 1", "try:\n    x\nexcept OSError:\n    x = 2"),
]


@pytest.mark.parametrize(("source", "becomes"), CHANGES)
def test_what_is_planted(tmp_path: Path, source: str, becomes: str) -> None:
    sums = book(tmp_path, source)
    texts = [faults.plant(sums, each).code[0].source for each in faults.faults(sums)]
    assert becomes in texts
    for text in texts:
        ast.parse(text)
        assert text.count("\n") == source.count("\n")


@pytest.mark.parametrize(
    "source",
    [
        "assert 1 < 2",
        "import math",
        "ax.plot(1, 2)",
        "fig, (top, bottom) = plt.subplots(2)\ntop.plot(1)",
        "for x in y:\n    z = 1\n    ax.plot(z)",
        "def draw(ax):\n    ax.plot(1, 2)",
        "x = 'text'",
        "print(x, 2)\nx",
        "x.style.format(precision=2)",
        "x = f'{1 + 1}'",
        "x.round(2)",
        "x = round(y, 2)",
        "x = np.random.default_rng(1)",
        "SEED = 5",
        "x = f(y, seed=1, timeout=2, label=3)",
        "for seed in range(5):\n    y",
        "x = [y for seed in range(5)]",
        "x = 1e-9",
        "x: Literal[1] = y",
        "def f(a=1):\n    pass\nx = f(y)",
        "def f(*, a=1):\n    pass\nx = f(a=y)",
        "def unused(a):\n    return a + 1",
        "%time x = 1 + 2",
    ],
)
def test_what_is_left_alone(tmp_path: Path, source: str) -> None:
    assert planted(tmp_path, source) == []


def test_of_a_module_what_the_notebook_calls_is_broken(tmp_path: Path) -> None:
    module = (
        "def one(a):\n    return two(a) + 1\n\n"
        "def two(a):\n    return a * 3\n\n"
        "def three(a):\n    return a - 4\n"
    )
    found = planted(tmp_path, "import helper\nx = helper.one(y)", helper=module)
    assert {each.part for each in found} == {"helper.py"}
    assert {each.was for each in found} == {"two(a) + 1", "1", "a * 3", "3"}


def test_modules_lent_to_all_are_left_alone(tmp_path: Path) -> None:
    sums = book(tmp_path, "import local_postgres\nlocal_postgres.start_postgres('a')")
    assert "local_postgres.py" in sums.files
    assert {each.part for each in faults.faults(sums)} <= {0}


def test_of_each_kind_as_many_are_drawn(tmp_path: Path) -> None:
    numbers = "\n".join(f"x{n} = {n}" for n in range(1, 50))
    drawn = faults.draw(book(tmp_path, f"{numbers}\ny = a < b\nz = a + b\n"), 10)
    assert Counter(each.kind for each in drawn) == {"constant": 8, "compared": 1, "computed": 1}
