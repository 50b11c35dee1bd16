"""Facts in notebooks: each gets those that it names, and runs again when one of them changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.failures import Failures
from qa.run import notebook as notebooks
from qa.run.key import result_key
from qa.run.local import LocalServer
from qa.run.notebook import Notebook
from qa.run.report import run
from tests.test_facts import FACTS

CODE = """\
# %% name="a"
from facts import fact

memory = fact("chip.memory_gb")
assert memory
"""


def book(folder: Path, code: str = CODE, facts: str = FACTS, module: str = "") -> Notebook:
    path = folder / "notebooks/t/n.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(code, encoding="utf-8")
    if module:
        path.with_name("module.py").write_text(module, encoding="utf-8")
    (folder / "docs").mkdir(exist_ok=True)
    (folder / "docs/facts.yml").write_text(facts, encoding="utf-8")
    return notebooks.read(path)


def test_a_notebook_gets_the_values_of_facts_and_groups(
    server: LocalServer, tmp_path: Path
) -> None:
    code = f'{CODE}share = fact("engine")["share"]\n'
    values = run(book(tmp_path, code), server).values
    assert values == {"memory": 80, "share": 0.92}


def test_what_stands_in_a_module_counts(server: LocalServer, tmp_path: Path) -> None:
    code = '# %% name="a"\nfrom module import watts\n\npower = watts("chip")\nassert power\n'
    module = 'from facts import fact\n\n\ndef watts(name):\n    return fact(f"{name}.power_w")\n'
    found = book(tmp_path, code, module=module)
    assert found.facts == ["chip.memory_gb", "chip.power_w"]
    assert run(found, server).values["power"] == 700


@pytest.mark.parametrize(
    ("old", "new", "reruns"),
    [
        ("value: 80", "value: 96", True),
        ("value: 700", "value: 701", False),
        ("as_of: 2026-01-31", "as_of: 2026-02-01", False),
        ("value: 0.92", "value: 0.9", False),
    ],
)
def test_an_edit_runs_those_again_that_use_the_value(
    tmp_path: Path, old: str, new: str, reruns: bool
) -> None:
    before = result_key(book(tmp_path))
    assert (result_key(book(tmp_path, facts=FACTS.replace(old, new))) != before) == reruns


def test_without_facts_a_notebook_has_no_file_of_them(tmp_path: Path) -> None:
    assert not book(tmp_path, '# %% name="a"\nx = "chip"\nassert x\n').files


def test_a_fact_that_is_none_is_named_at_its_line(tmp_path: Path) -> None:
    with pytest.raises(Failures) as caught:
        book(tmp_path, CODE.replace("memory_gb", "memory"))
    (fault,) = caught.value.failures
    assert (fault.path.name, fault.line, fault.code) == ("n.py", 4, "fact-unknown")
    assert fault.reason == 'no fact "chip.memory" in facts.yml; did you mean "chip.memory_gb"?'


def test_so_is_one_in_a_module(tmp_path: Path) -> None:
    code = '# %% name="a"\nimport module\n\nassert module\n'
    with pytest.raises(Failures) as caught:
        book(tmp_path, code, module='from facts import fact\n\nx = fact("engin")\n')
    (fault,) = caught.value.failures
    assert (fault.path.name, fault.line) == ("module.py", 3)
    assert fault.reason.endswith('did you mean "engine"?')


def test_a_name_whose_group_stands_nowhere_fails_in_the_run(
    server: LocalServer, tmp_path: Path
) -> None:
    with pytest.raises(Failures) as caught:
        run(book(tmp_path, f'{CODE}fact("chip" + ".power_" + "v")\n'), server)
    assert 'no fact "chip.power_v"' in caught.value.failures[0].reason
