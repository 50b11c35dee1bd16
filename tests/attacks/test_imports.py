"""What an example names as an import is imported in its sandbox, not before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from qa.run.inside.libraries import LIBRARIES, libraries_of
from qa.run.local import LocalServer
from tests.attacks.attack import Attack

UNREACHED = "def unreached():\n    import {}\n\nprint('ran')"


@pytest.mark.parametrize(
    "module",
    [
        "IPython.__main__",
        "pygments.__main__",
        "numpy.f2py.__main__",
        "pip.__main__",
        "antigravity",
        "matplotlib.tests",
        "torch.utils.collect_env",
        "no_such_module",
        "numpy.no_such_module",
    ],
)
def test_no_import_reaches_the_server(attack: Attack, module: str) -> None:
    before = attack.server.processes()
    assert attack.output(UNREACHED.format(module)) == "ran"
    after = attack.server.processes()
    assert [process.pid for process in after][: len(before)] == [process.pid for process in before]
    assert all(process.poll() is None for process in after)


@pytest.mark.parametrize("module", ["IPython.__main__", "pygments.__main__"])
def test_what_runs_when_it_is_imported_ends_only_the_run(attack: Attack, module: str) -> None:
    before = [process.pid for process in attack.server.processes()]
    attack.failures(f"import sys\nsys.argv = ['', '--no-such-option']\nimport {module}")
    assert [process.pid for process in attack.server.processes()][: len(before)] == before
    assert all(process.poll() is None for process in attack.server.processes())


def test_a_file_of_the_checkout_is_not_run_by_the_builder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IPython runs the file that the first argument names; a module may lie where Python starts."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    for name in (*map(str, range(3, 64)), "numpy.py", "sitecustomize.py", "usercustomize.py"):
        (checkout / name).write_text(f"open({str(tmp_path / 'taken')!r}, 'w')")
    monkeypatch.chdir(checkout)
    server = LocalServer(tmp_path / "cache")
    attack = Attack(server, checkout)
    assert attack.output(UNREACHED.format("IPython.__main__, numpy")) == "ran"
    server.close()
    assert not (tmp_path / "taken").exists()


def test_the_run_begins_in_a_neutral_place(attack: Attack) -> None:
    code = "import os, sys\nprint(sys.argv, os.readlink('/proc/self/cwd'), sys.orig_argv[1:3])"
    assert attack.output(code) == "[''] /tmp/work ['-P', '-m']"


def test_only_libraries_of_the_list_are_imported_before() -> None:
    named = ["numpy.f2py.__main__", "IPython.__main__", "os", "sklearn.tree", "numpy"]
    assert libraries_of(named) == ("numpy", "sklearn")
    assert not any("__main__" in module for modules in LIBRARIES.values() for module in modules)
